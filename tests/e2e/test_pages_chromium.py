"""The pages in a browser: from an alert's link to the answer, search and paging, hostile names, no JavaScript, keyboard, contrast.

Pictures of every page are kept under build/pages, to be looked at.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from exporter.aws import Operation
from exporter.config import Config
from exporter.errors import AwsError
from exporter.logs import make_logger
from exporter.metrics.telemetry import Telemetry
from exporter.store import open_store
from exporter.web import WebServer, all_routes, make_app
from tests.config_history import Recorded, RecordedAws, group_item, tcp
from tests.pages_estate import ACCOUNT, BASTION, BATCH, HOSTILE, REGION, Incident, fill, reports

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 360, "height": 780}
QUESTIONS = Path(__file__).with_name("pages_in_chromium.js").read_text(encoding="utf-8")


@dataclass
class Site:
    """The running application, and what happened there."""

    address: str
    incident: Incident

    def url(self, path: str, **parameters: Any) -> str:
        """Return an address of a page."""
        return f"http://{self.address}/{path}" + (f"?{urlencode(parameters, doseq=True)}" if parameters else "")

    def all(self) -> dict[str, str]:
        """Return one address of every kind of page."""
        return {
            "overview": self.url(""),
            "history": self.url("history"),
            "history-of-a-group": self.url("history", account_id=ACCOUNT, region=REGION, security_group_id=BASTION),
            "history-denied": self.url("history", outcome="denied", account_id=ACCOUNT),
            "history-empty": self.url("history", principal="nobody"),
            "history-wrong": self.url("history", since="yesterday"),
            "group": self.url("group", account_id=ACCOUNT, region=REGION, security_group_id=BASTION),
            "group-config": self.url("group", account_id=ACCOUNT, region=REGION, security_group_id=BASTION, config=1) + "#changes",
            "group-config-refused": self.url("group", account_id=ACCOUNT, region=REGION, security_group_id=BATCH, config=1) + "#changes",
            "principal": self.url("principal", principal="sso/AdministratorAccess"),
            "event": self.url("event", event_id=self.incident.widened.event_id, record=1),
            "event-unexplained": self.url("event", event_id=self.incident.entry.event_id),
            "event-unknown": self.url("event", event_id="00000000-0000-4000-8000-000000000000"),
        }


HOSTILE_GROUP = "sg-00000000000000bad"
TAGS = {"team": "platform", "cost-centre": "4711"}


class Answering(Recorded):
    """AWS Config that tells of the bastion, of a group whose texts are hostile, and may not be asked about a third."""

    def call(self, operation: Operation, /, **asked: Any) -> Mapping[str, Any]:
        """Answer GetResourceConfigHistory."""
        if asked["resourceId"] == BATCH:
            raise AwsError("access_denied", "<b>arn:aws:iam::secret</b>", operation.action, "AccessDeniedException")
        return super().call(operation, **asked)


def recorded(incident: Incident, now: datetime) -> Recorded:
    """Return AWS Config as it saw the incident."""
    office, everyone, other = tcp(22, ("198.51.100.0/24", "office")), tcp(22, ("0.0.0.0/0", "office")), tcp(8080, "192.0.2.0/24")
    told = (
        (
            timedelta(hours=20),
            (office,),
            {},
            {"configurationItemStatus": "ResourceDiscovered", "relatedEvents": [incident.created.event_id]},
        ),
        (timedelta(hours=6), (office,), TAGS, {}),
        (timedelta(hours=2), (office, other), TAGS, {}),
        (timedelta(minutes=4), (everyone, other), TAGS, {"relatedEvents": [incident.widened.event_id]}),
    )
    items = [
        {**group_item(number, *rules, tags=tags), "resourceId": BASTION, "configurationItemCaptureTime": now - ago, **more}
        for number, (ago, rules, tags, more) in enumerate(told)
    ]
    for number, text in enumerate(HOSTILE):
        name = {"resourceType": text, "resourceId": text, "relationshipName": text}
        items.append({
            **group_item(number, tcp(22, ("0.0.0.0/0", text)), tags={text: text}),
            "resourceId": HOSTILE_GROUP,
            "configurationItemCaptureTime": now - timedelta(minutes=number),
            "configurationItemStatus": text,
            "relatedEvents": [text, incident.hostile[number].event_id],
            "relationships": [name],
        })  # fmt: skip
    return Answering(items, now=now + timedelta(hours=1))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Serve a store with a month of changes, as `serve` does."""
    now = datetime.now(UTC)
    store = open_store(tmp_path_factory.mktemp("pages") / "state.db")
    incident = fill(store, now)
    config = Config()
    log = make_logger("error", "json", io.StringIO())
    lease = SimpleNamespace(aws=RecordedAws(recorded(incident, now)))
    pipeline = SimpleNamespace(judge=config.judge(), config=config, lease=lease, using_aws=lambda: nullcontext(True))
    service: Any = SimpleNamespace(
        store=store, reports=lambda: reports(now), telemetry=Telemetry(), log=log, stopping=False, pipeline=pipeline
    )
    server = WebServer("127.0.0.1:0", make_app(service, all_routes(service)), lambda _message: None)
    server.start()
    yield Site(server.address, incident)
    server.stop()
    store.close()


@pytest.fixture(scope="module")
def browser(program: Callable[[str], Path]) -> Iterator[Browser]:
    """Start Chromium."""
    path = program("chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield running
        running.close()


Open = Callable[..., "Page"]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Return an opener of pages in a context of their own; a dialog, an error on the console or a request elsewhere fails the test."""
    contexts, wrong = [], []

    def begin(url: str, viewport: dict[str, int] = WIDE, **options: Any) -> Page:
        context = browser.new_context(viewport=viewport, **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("dialog", lambda dialog: (wrong.append(f"a dialog: {dialog.message}"), dialog.dismiss()))
        page.on("pageerror", lambda error: wrong.append(f"a script failed: {error}"))
        # That an answer is no 200 is told as an error too; the page that comes with it is what is looked at.
        page.on(
            "console",
            lambda line: (
                wrong.append(line.text) if line.type in ("error", "warning") and "the server responded with" not in line.text else None
            ),
        )
        page.on("request", lambda request: wrong.append(f"asks {request.url}") if not request.url.startswith("http://127.0.0.1:") else None)
        page.goto(url)
        return page

    yield begin
    for context in contexts:
        context.close()
    assert wrong == []


def ask(page: Page, question: str) -> Any:
    """Return what a function of pages_in_chromium.js says of a page."""
    return page.evaluate(f"(() => {{ {QUESTIONS}; return ({question})(); }})()")


def follow(page: Page, name: str) -> None:
    """Click the last link of that name and wait for where it leads."""
    with page.expect_navigation():
        page.get_by_role("link", name=name, exact=True).last.click()


def colour(page: Page, selector: str) -> list[int]:
    """Return red, green and blue of the ground of the first such element."""
    text = page.locator(selector).first.evaluate("element => getComputedStyle(element).backgroundColor")
    return [int(number) for number in re.findall(r"\d+", text)][:3]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("more", [{}, {"security_group_id": BASTION}, {"principal": "sso/AdministratorAccess"}])
def test_an_alerts_link_answers_without_scrolling(site: Site, open_page: Open, more: dict[str, str], scheme: str) -> None:
    """At three in the morning nobody scrolls: who, how, from where, when, which group, which rule exactly, and that it is open."""
    page = open_page(site.url("history", account_id=ACCOUNT, region=REGION, **more), color_scheme=scheme)
    first = page.locator(".change").first
    answers = {
        "who": first.get_by_text("sso/AdministratorAccess", exact=True),
        "session": first.get_by_text("alice@example.com", exact=True),
        "call": first.get_by_text("ModifySecurityGroupRules", exact=True).first,
        "how": first.get_by_text("AWS console"),
        "tool": first.get_by_text("Firefox 128 on Linux", exact=True),
        "from": first.get_by_text("198.51.100.7", exact=True),
        "when": first.locator("time").first,
        "age": first.get_by_text("4 min ago"),
        "group": first.get_by_role("link", name=BASTION),
        "name": first.get_by_text("bastion", exact=True),
        "where": first.get_by_text(f"{ACCOUNT}", exact=True),
        "opened": first.get_by_text("Opened to the internet: admin"),
        "before": first.locator(".diff .removed"),
        "after": first.locator(".diff .added"),
    }
    for name, locator in answers.items():
        box = locator.bounding_box()
        assert box is not None, name
        assert box["y"] >= 0, name
        assert box["y"] + box["height"] <= WIDE["height"], f"{name} is below the window: {box}"
        assert box["x"] + box["width"] <= WIDE["width"], name
    assert page.evaluate("scrollY") == 0
    assert answers["before"].inner_text().startswith("- ingress tcp 22 from 198.51.100.0/24")
    assert answers["after"].inner_text().startswith("+ ingress tcp 22 from 0.0.0.0/0")
    assert answers["after"].locator("mark").all_inner_texts() == ["from 0.0.0.0/0"]
    red, green = colour(page, ".diff .removed"), colour(page, ".diff .added")
    assert red[0] > max(red[1:])
    assert green[1] > max(green[0], green[2])
    if "security_group_id" in more:
        for text in ("Open to the internet now", "vpc-0123456789abcdef0", "What stands now", "Lets the internet in"):
            box = page.get_by_text(text, exact=True).first.bounding_box()
            assert box is not None
            assert box["y"] + box["height"] <= WIDE["height"], text


def test_words_filters_and_chips_lead_to_one_change_and_back(site: Site, open_page: Open) -> None:
    """Who looks for an address in a month of changes types it, narrows it down, and takes back what was too narrow."""
    page = open_page(site.url(""))
    page.get_by_role("searchbox", name=re.compile("Search all changes")).fill("198.51.100.7 unauthorized")
    page.keyboard.press("Enter")
    page.wait_for_url("**/history?text=**")
    for text in page.locator(".change").all_inner_texts():
        assert "Denied: Client.UnauthorizedOperation" in text
    page.get_by_text("Filters", exact=True).click()
    page.get_by_label("Security group").fill(BASTION)
    page.get_by_label("Outcome").select_option("denied")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**outcome=denied**")
    assert page.locator(".change").count() == 1
    assert "tcp 3389 from 0.0.0.0/0" in page.locator(".change .vain").inner_text()
    chips = page.get_by_role("list", name="Filters in force")
    shown = [" ".join(chip.partition("Remove")[0].split()) for chip in chips.get_by_role("listitem").all_inner_texts()]
    assert shown == ["Text 198.51.100.7 unauthorized", f"Security group {BASTION}", "Outcome denied", ""]
    chips.get_by_role("link", name="Remove the filter Text").click()
    page.wait_for_url(lambda url: "text" not in url)
    chips.get_by_role("link", name="Remove the filter Outcome denied").click()
    page.wait_for_url(lambda url: "outcome" not in url)
    assert page.locator(".change").count() == 4
    page.get_by_role("searchbox", name=re.compile("Search all changes")).fill(BASTION)
    page.keyboard.press("Enter")
    page.wait_for_url("**/history?security_group_id=**")
    assert page.get_by_role("heading", level=1).inner_text() == "bastion"


def test_pages_go_forth_and_back(site: Site, open_page: Open) -> None:
    """The event that is looked for is on page seven, and the one after it on page six."""
    page = open_page(site.url("history", account_id=ACCOUNT))

    def shown() -> list[str]:
        return page.locator(".when a").evaluate_all("links => links.map(link => link.search)")

    pages = [shown()]
    for _ in range(3):
        follow(page, "Older")
        pages.append(shown())
    assert [len(one) for one in pages] == [50] * 4
    assert len({link for one in pages for link in one}) == 200
    for expected in (pages[2], pages[1], pages[0]):
        follow(page, "Newer")
        assert shown() == expected
    assert page.get_by_role("link", name="Newer", exact=True).count() == 0


@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
def test_hostile_texts_are_inert_everywhere_and_the_layout_holds(site: Site, open_page: Open, viewport: dict[str, int]) -> None:
    """Names, agents and descriptions are the attacker's to choose, and the reader is signed in to much else."""
    page = open_page(site.url("history", account_id=ACCOUNT, region=REGION, event_name="AuthorizeSecurityGroupIngress"), viewport)
    assert page.locator(".change").count() > len(HOSTILE)
    addresses = [
        site.url("history", account_id=ACCOUNT, region=REGION),
        site.url(""),
        site.url("group", security_group_id="sg-00000000000000bad"),
        site.url("group", security_group_id="sg-00000000000000bad", config=1),
    ]
    for event, text in zip(site.incident.hostile, HOSTILE, strict=True):
        addresses.append(site.url("event", event_id=event.event_id, record=1))
        if len(text) < 1000:
            addresses += [
                site.url("principal", principal=f"role/{text}"),
                site.url("history", security_group_id=text, principal=text, region=text, text=text, rule_id=text, event_name=text),
                site.url("history", security_group_id=text),
                site.url("history", since=text, until=text, outcome=text, after=text, back=text),
                site.url("group", security_group_id=text, account_id=ACCOUNT, region=REGION),
                site.url("event", event_id=text),
                site.url("search", q=text),
            ]
    for address in addresses:
        page.goto(address)
        for summary in page.locator("summary").all()[:8]:
            summary.click()
        assert ask(page, "inert") == [], address
        assert "49" not in page.title()


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_aws_configs_items_are_one_click_away_and_lead_to_the_event(site: Site, open_page: Open, scripts: bool) -> None:
    """Who opened it before the exporter was there, AWS Config knows; the reader has a browser and no credentials."""
    page = open_page(site.url("group", account_id=ACCOUNT, region=REGION, security_group_id=BASTION), java_script_enabled=scripts)
    follow(page, "AWS Config")
    items = page.locator(".change")
    assert [text.split("\n")[0] for text in items.locator("h3").all_inner_texts()] == [
        "sso/AdministratorAccess as alice@example.com ConfigurationItem",
        "Nobody known ConfigurationItem",
        "Nobody known ConfigurationItem",
        "sso/AdministratorAccess as alice@example.com ResourceDiscovered",
    ]
    newest = items.first
    assert newest.get_by_text("Opened to the internet: admin").is_visible()
    # AWS Config names no rule, so an edit is one rule gone and one come; the event tells that it was one and the same.
    assert newest.locator(".diff .removed").inner_text().startswith("- ingress tcp 22 from 198.51.100.0/24")
    assert newest.locator(".diff .added").inner_text().startswith("+ ingress tcp 22 from 0.0.0.0/0")
    red, green = colour(page, ".diff .removed"), colour(page, ".diff .added")
    assert red[0] > max(red[1:])
    assert green[1] > max(green[0], green[2])
    assert items.nth(2).get_by_text("Changes no rule", exact=True).is_visible()
    assert page.get_by_role("navigation", name="What is shown of this group").locator("[aria-current]").inner_text() == "AWS Config"
    assert page.get_by_role("heading", name="Current rules").count() == 1
    with page.expect_navigation():
        newest.get_by_role("link", name=site.incident.widened.event_id).click()
    assert "ModifySecurityGroupRules" in page.locator("main").inner_text()


def test_all_of_it_works_without_javascript(site: Site, open_page: Open) -> None:
    """Hardened browsers and text browsers run none, and the answer is needed there too."""
    page = open_page(site.url("history", account_id=ACCOUNT, region=REGION), java_script_enabled=False)
    time = page.locator(".change time").first
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, 4 min ago", time.get_attribute("title") or "")
    page.get_by_text("Details").first.click()
    assert page.get_by_text("User agent").first.is_visible()
    follow(page, "Raw record")
    assert page.url.endswith("record=1#record")
    assert "AuthorizeSecurityGroupIngress" in page.locator("pre").inner_text()
    assert page.get_by_role("button", name="Copy").count() == 0
    page.goto(site.url("history"))
    page.get_by_text("Filters", exact=True).click()
    page.get_by_label("Outcome").select_option("denied")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**outcome=denied**")
    for address in site.all().values():
        page.goto(address)
        assert page.locator("h1").count() == 1


def test_times_are_told_in_the_readers_zone_too(site: Site, open_page: Open) -> None:
    """The reader's clock on the wall is not UTC; a person who was called at six must see that it happened at six."""
    page = open_page(site.url("event", event_id=site.incident.widened.event_id), timezone_id="America/New_York", locale="en-US")
    time = page.locator("time").first
    local, utc = (time.get_attribute("title") or "").split("\n")
    assert re.search(r"E[SD]T$", local)
    assert utc.startswith(f"{site.incident.widened.event_time:%Y-%m-%d %H:%M:%S} UTC, ")


def test_a_thousand_rules_fold_and_unfold(site: Site, open_page: Open) -> None:
    """The rule that matters may be the last of a thousand; the others must not push everything else off the page."""
    page = open_page(site.url("event", event_id=site.incident.many.event_id))
    lines = page.locator(".diff li:visible")
    assert lines.count() == 20
    page.get_by_text("1180 more lines").click()
    assert lines.count() == 1200
    assert lines.last.inner_text() == f"+ ingress tcp 1200 from 192.0.2.0/24 (sgr-{2200:017x})"


def test_the_tab_key_reaches_every_control_and_shows_where_it_is(site: Site, open_page: Open) -> None:
    """Who cannot use a mouse can otherwise not open the record."""
    page = open_page(site.url("history", security_group_id=BASTION, outcome="denied"))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert page.get_by_text("Skip to the content").bounding_box()["y"] >= 0  # type: ignore[index]
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.goto(page.url.partition("#")[0])
    page.get_by_text("Filters", exact=True).click()
    page.evaluate("document.activeElement.blur()")
    expected = ask(
        page, "() => { const all = focusable(); all.forEach((element, at) => { element.dataset.order = at; }); return all.length; }"
    )
    assert expected > 25
    reached, invisible = [], []
    for _ in range(2 * expected):  # it begins where the mouse was, and goes round
        page.keyboard.press("Tab")
        at = page.evaluate("document.activeElement.dataset.order")
        if at is not None:
            reached.append(int(at))
            if page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "none":
                invisible.append(page.evaluate("document.activeElement.outerHTML"))
    assert sorted(set(reached)) == list(range(expected)), "something cannot be reached"
    from_the_top = reached[reached.index(0) :]
    assert from_the_top[:expected] == list(range(expected)), "the order is that of the page"
    assert invisible == []


def test_a_slash_jumps_to_the_search_unless_one_is_typing(site: Site, open_page: Open) -> None:
    """A key that takes the focus away while one types an ARN is worse than none."""
    page = open_page(site.url("history"))
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.type("role/x")
    assert page.locator("#q").input_value() == "role/x"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_built_for_all_readers(site: Site, open_page: Open, scheme: str) -> None:
    """Landmarks, headings, names and contrast are what a screen reader, a magnifier and a bad monitor have."""
    page = open_page(site.url(""), color_scheme=scheme)
    for name, address in site.all().items():
        page.goto(address)
        assert ask(page, "structure") == [], name
        for summary in page.locator("summary").all()[:6]:
            summary.click()
        found = ask(page, "contrast")
        assert found["looked"] > 15, name
        assert found["wrong"] == [], name


def test_nothing_moves_for_those_who_asked_for_that(site: Site, open_page: Open) -> None:
    """Motion makes some people ill, and their system says so."""
    page = open_page(site.url("history"), reduced_motion="reduce")
    moving = "[...document.querySelectorAll('*')].filter(e => getComputedStyle(e).transitionDuration !== '0s').length"
    assert page.evaluate(moving) == 0
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"


def test_what_is_printed_is_the_answer_and_all_of_it(site: Site, open_page: Open) -> None:
    """A printed incident report has no links to open what is folded."""
    page = open_page(site.url("history", account_id=ACCOUNT, region=REGION, security_group_id=BASTION))
    page.emulate_media(media="print", color_scheme="light")
    assert not page.locator(".search").is_visible()
    assert not page.locator("nav").first.is_visible()
    assert page.locator(".change details dt").first.evaluate("element => element.getBoundingClientRect().height") > 0
    assert page.locator(".change").first.is_visible()


def test_static_files_are_kept_and_pages_are_not(site: Site, open_page: Open) -> None:
    """A style sheet of yesterday's version on today's page is a broken page; an old answer is a wrong one."""
    page = open_page("about:blank")
    answers: dict[str, dict[str, str]] = {}
    page.on("response", lambda response: answers.setdefault(response.url.rpartition("/")[2].partition("?")[0], response.headers))
    page.goto(site.url("history"))
    page.wait_for_load_state("networkidle")
    for name in ("style.css", "page.js", "favicon.svg"):
        if name in answers:  # headless browsers do not always ask for the icon
            assert answers[name]["cache-control"] == "public, max-age=31536000, immutable"
    assert {"style.css", "page.js"} <= set(answers)
    assert answers["history"]["cache-control"] == "no-cache"
    assert "script-src 'self'" in answers["history"]["content-security-policy"]
    assert "unsafe" not in answers["history"]["content-security-policy"]


def test_pictures_of_every_page_are_kept_to_be_looked_at(site: Site, open_page: Open, repository: Path) -> None:
    """What no assertion can tell, that it looks like a product, a person sees at a glance."""
    directory = repository / "build" / "pages"
    directory.mkdir(parents=True, exist_ok=True)
    for form, viewport, scheme in (("light", WIDE, "light"), ("dark", WIDE, "dark"), ("phone", PHONE, "light")):
        # Without motion, which a picture would catch halfway to what the address names.
        page = open_page(site.url(""), viewport, color_scheme=scheme, reduced_motion="reduce")
        for name, address in site.all().items():
            page.goto(address)
            picture = page.screenshot(path=directory / f"{name}-{form}.png")
            assert len(picture) > 5000, name
            assert page.evaluate("getComputedStyle(document.body).fontSize") == "14.5px", "the style sheet is there"
