// Small comforts; every page works without them.
"use strict";

// Times are UTC; hovering over one also tells it in the reader's own zone.
for (const time of document.querySelectorAll("time[datetime]")) {
  const moment = new Date(time.dateTime);
  if (time.dateTime.includes("T") && !Number.isNaN(moment.getTime())) {
    const local = moment.toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" });
    time.title = `${local}\n${time.title}`;
  }
}

// Browsers give the clipboard to secure pages alone, so the buttons stay hidden elsewhere.
if (navigator.clipboard) {
  for (const button of document.querySelectorAll("button[data-copy]")) {
    const source = document.getElementById(button.dataset.copy);
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(source.href || source.textContent);
      button.textContent = "Copied";
    });
  }
}

// A slash jumps to the search, as it does elsewhere.
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    document.getElementById("q").focus();
  }
});
