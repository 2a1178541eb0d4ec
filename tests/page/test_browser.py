"""The page in a real browser, opened from a file while there is no network."""

from collections.abc import Iterator
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from shadow.inventory.document import Column, Document, Section
from shadow.page.page import inventory
from tests.page.traffic import HOSTILE, clear, page

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: see .ci/components")
CHROMIUM = which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium: see .ci/components")

SWITCHES = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
SWITCHES += ("--disable-component-update", "--disable-sync")
THEMES = ("light", "dark")
NARROW = 400  # pixels
CONTRAST = 4.5  # WCAG 2.2, 1.4.3: AA

# The contrast of every text with what is behind it, as WCAG 2.2 defines it: the least of all, with its text.
LEAST_CONTRAST = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (c) => c.slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (of) => {
    for (let at = of; at; at = at.parentElement) {
      const c = rgb(getComputedStyle(at).backgroundColor);
      if (c.length === 3 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  let least = [99, ""];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const of = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || of.closest("style")) continue;
    const style = getComputedStyle(of);
    const [a, b] = [light(rgb(of.closest("svg") ? style.fill : style.color)), light(behind(of))];
    const found = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (found < least[0]) least = [found, walk.currentNode.data];
  }
  return least;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=list(SWITCHES))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page that was saved from a mail."""
    where = tmp_path_factory.mktemp("mail")
    saved = where / "report.html"
    saved.write_text(page(where / "shadow.db", clear()))
    return saved.as_uri()


@pytest.fixture
def opened(browser: Any, address: str) -> Iterator[Any]:
    """A function that opens the page at a width and in a theme; whatever the console says ends up in `said`."""
    contexts = []

    def opened(width: int = 1280, theme: str = "light") -> tuple[Any, list[str]]:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme, offline=True)
        contexts.append(context)
        found, said = context.new_page(), list[str]()
        found.on("console", lambda message: said.append(message.text))
        found.on("pageerror", lambda error: said.append(str(error)))
        found.on("request", lambda request: said.append(request.url) if request.url != address else None)
        found.goto(address)
        return found, said

    yield opened
    for context in contexts:
        context.close()


def test_nothing_is_asked_for_and_nothing_is_wrong(opened: Any) -> None:
    """No request but for the file, no word on the console, and no name became a script."""
    found, said = opened()
    assert [one for one in said if not one.startswith("data:")] == []
    assert found.title() == "Shadow report"
    assert found.get_by_role("rowheader", name=HOSTILE, exact=True).count() > 0


def test_the_first_screen_has_the_verdict(opened: Any) -> None:
    """The sentence and the first candidate's four answers are seen without scrolling."""
    found, _ = opened()
    inside = found.evaluate(
        "() => ['h1', '.card'].map((of) => document.querySelector(of).getBoundingClientRect().bottom <= innerHeight)"
    )
    assert inside == [True, True]
    assert found.locator("h1").inner_text().startswith("In part: some segments can move to ferry")


@pytest.mark.parametrize("width", [NARROW, 760])
def test_a_narrow_page_scrolls_one_way_only(opened: Any, width: int) -> None:
    """With every table open it is no wider than the screen: on a phone, and just before tables change their shape."""
    found, _ = opened(width)
    found.evaluate("document.querySelectorAll('details').forEach((of) => { of.open = true })")
    wide, room = found.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide <= room == width


@pytest.mark.parametrize("width", [NARROW, 760])
def test_the_inventory_scrolls_one_way_only(browser: Any, tmp_path: Path, width: int) -> None:
    """Where a table is wider than the screen it scrolls by itself, and by keyboard."""
    name = "unbreakable-" * 20
    columns = [Column("name", "name", "label"), *(Column(f"c{at}", "a heading") for at in range(12))]
    section = Section("names", "Names", "What they mean.", tuple(columns), ((name, *[name] * 12),))
    saved = tmp_path / "inventory.html"
    saved.write_text(inventory(Document(None, None, 1, (section,))))
    with browser.new_context(viewport={"width": width, "height": 900}, offline=True) as context:
        found = context.new_page()
        found.goto(saved.as_uri())
        wide, room = found.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        found.keyboard.press("Tab")
        assert wide <= room
        assert found.evaluate("document.activeElement.className") == "scroll"


def test_a_phone_has_charts_of_its_own(opened: Any) -> None:
    """Of the two drawings of a chart one is shown, unshrunk."""
    found, _ = opened(NARROW)
    shown = found.evaluate(
        "() => [...document.querySelectorAll('svg')].filter((of) => of.checkVisibility())"
        ".map((of) => [of.classList[1], of.getBoundingClientRect().width >= of.viewBox.baseVal.width])"
    )
    assert shown
    assert set(map(tuple, shown)) == {("narrow", True)}


def test_every_table_is_reached_by_keyboard(opened: Any) -> None:
    """Tab comes to each summary in turn, and Enter opens it."""
    found, _ = opened()
    summaries = found.locator("summary").count()
    opens = 0
    for _ in range(summaries + found.locator("a").count()):
        found.keyboard.press("Tab")
        if found.evaluate("document.activeElement.tagName") == "SUMMARY":
            found.keyboard.press("Enter")
            opens += found.evaluate("document.activeElement.parentElement.open")
    assert opens == summaries > 0


@pytest.mark.parametrize("theme", THEMES)
def test_text_stands_out(opened: Any, theme: str) -> None:
    """Of all texts, those in charts too, with every table open."""
    found, _ = opened(theme=theme)
    found.evaluate("document.querySelectorAll('details').forEach((of) => { of.open = true })")
    least, text = found.evaluate(LEAST_CONTRAST)
    assert least >= CONTRAST, text


def test_paper_is_white_and_has_the_tables(opened: Any) -> None:
    """Also of who prints in the dark; what is behind a summary cannot be opened on paper."""
    found, _ = opened(theme="dark")
    found.emulate_media(media="print", color_scheme="dark")
    assert found.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert found.evaluate(
        "() => [...document.querySelectorAll('table')].every((of) => of.checkVisibility() && of.offsetHeight > 0)"
    )
