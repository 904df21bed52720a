// What a page is asked in the browser; each function returns what is wrong with it, as texts.
"use strict";

const visible = (element) => {
  if (!element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })) return false;
  const style = getComputedStyle(element);
  return style.clipPath === "none" && style.position !== "absolute" ? true : style.clipPath === "none";
};

const said = (element) => `${element.tagName.toLowerCase()} ${element.id || element.getAttribute("href") || element.textContent.trim().slice(0, 40)}`;

const named = (element) => {
  if (element.getAttribute("aria-label")) return true;
  const by = element.getAttribute("aria-labelledby");
  if (by) return by.split(" ").every((id) => document.getElementById(id)?.textContent.trim());
  if (element.labels && element.labels.length) return [...element.labels].some((label) => label.textContent.trim());
  return Boolean(element.textContent.trim());
};

const structure = () => {
  const wrong = [];
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of new Set(ids.filter((id, at) => ids.indexOf(id) !== at))) wrong.push(`two elements have the id ${id}`);
  for (const selector of ["main", "h1", "body > header", "nav[aria-label]", "body > footer"])
    if (!document.querySelector(selector)) wrong.push(`there is no ${selector}`);
  for (const selector of ["main", "h1"])
    if (document.querySelectorAll(selector).length > 1) wrong.push(`there is more than one ${selector}`);
  let last = 0;
  for (const heading of document.querySelectorAll("h1, h2, h3, h4")) {
    const level = Number(heading.tagName[1]);
    if (level > last + 1) wrong.push(`h${level} follows h${last}: ${heading.textContent.trim().slice(0, 40)}`);
    if (!heading.textContent.trim()) wrong.push(`an empty h${level}`);
    last = level;
  }
  for (const element of document.querySelectorAll("input, select, button, a[href], summary, [role=img], form[role=search], nav, aside, pre[tabindex]"))
    if (!element.hidden && !named(element)) wrong.push(`no name: ${said(element)}`);
  for (const table of document.querySelectorAll("table"))
    for (const cell of table.querySelectorAll("th")) if (!cell.scope) wrong.push(`th without scope: ${cell.textContent.trim()}`);
  for (const element of document.querySelectorAll("[aria-labelledby], [aria-describedby]"))
    for (const id of (element.getAttribute("aria-labelledby") || element.getAttribute("aria-describedby")).split(" "))
      if (!document.getElementById(id)) wrong.push(`${said(element)} names ${id}, which is not there`);
  for (const time of document.querySelectorAll("time")) if (!time.dateTime) wrong.push(`time without datetime: ${time.textContent}`);
  if (!document.documentElement.lang) wrong.push("the page has no language");
  if (!document.title.trim()) wrong.push("the page has no title");
  return wrong;
};

const rgba = (text) => {
  const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
  return [r, g, b, a];
};
const over = ([r, g, b, a], below) => [r, g, b].map((value, at) => value * a + below[at] * (1 - a)).concat(1);
const ground = (element) => {
  const layers = [];
  for (let at = element; at; at = at.parentElement) {
    const colour = rgba(getComputedStyle(at).backgroundColor);
    if (colour[3] > 0) layers.push(colour);
    if (colour[3] === 1) break;
  }
  return layers.reverse().reduce((below, colour) => over(colour, below), [255, 255, 255, 1]);
};
const light = (colour) => {
  const [r, g, b] = colour.slice(0, 3).map((value) => value / 255).map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ratio = (one, other) => {
  const [high, low] = [light(one), light(other)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
};

// WCAG 2.2, 1.4.3: 4.5 to 1, and 3 to 1 for large text.
const contrast = () => {
  const wrong = new Set();
  let looked = 0;
  const check = (element, colour, text) => {
    const style = getComputedStyle(element);
    const size = parseFloat(style.fontSize);
    const least = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    const found = ratio(over(rgba(colour), ground(element)), ground(element));
    looked += 1;
    if (found < least) wrong.add(`${found.toFixed(2)} ${said(element)}: ${text}`);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (node.data.trim() && visible(element)) check(element, getComputedStyle(element).color, node.data.trim().slice(0, 30));
  }
  for (const input of document.querySelectorAll("input"))
    if (visible(input)) check(input, getComputedStyle(input, "::placeholder").color, "placeholder");
  return { looked, wrong: [...wrong] };
};

const inert = () => {
  const wrong = [];
  const own = new Set(["page.js"]);
  for (const script of document.scripts) if (!own.has(new URL(script.src, location).pathname.slice(1))) wrong.push(`a script: ${script.outerHTML.slice(0, 80)}`);
  for (const element of document.querySelectorAll("*")) {
    for (const { name } of element.attributes) if (name.startsWith("on") || name === "style") wrong.push(`${name} at ${said(element)}`);
    if (["IMG", "IFRAME", "OBJECT", "EMBED", "STYLE", "BASE"].includes(element.tagName)) wrong.push(`<${element.tagName}>`);
  }
  for (const link of document.querySelectorAll("a[href], form[action]")) {
    const to = new URL(link.getAttribute("href") || link.getAttribute("action"), location);
    if (to.origin !== location.origin) wrong.push(`a link away: ${to}`);
  }
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u202a-\u202e\u2066-\u2069]/.test(document.body.textContent)) wrong.push("a control character");
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) wrong.push(`it is ${root.scrollWidth} wide in a window of ${root.clientWidth}`);
  return wrong;
};

const focusable = () =>
  [...document.querySelectorAll("a[href], button, input, select, summary, pre[tabindex='0']")].filter((element) => !element.hidden && element.checkVisibility());
