"""The page: complete and readable whatever the store holds, and made of nothing but itself."""

import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest

from shadow.exchange import Cost, Recorded, ReplayOutcome
from shadow.inventory.document import Document
from shadow.page.page import inventory, render
from shadow.report.totals import Scope
from tests.inventory.test_formats import document
from tests.page.traffic import HOSTILE, clear, compared, one_pair, page
from tests.report.population import BEGUN, exchange, observation, replay

LARGEST = 1 << 20  # bytes: what any mail system takes as an attachment many times over


class Reader(HTMLParser):
    """The elements of a page with their attributes, and its text; it raises where an element is closed out of turn."""

    VOID = frozenset({"meta", "link", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of traffic whose truth is clear."""
    return page(tmp_path_factory.mktemp("page") / "shadow.db", clear())


def test_nothing_is_loaded(plain: str) -> None:
    """No script, and no address but that of an empty icon and places in the page itself."""
    reader = Reader(plain)
    assert not reader.named("script")
    links = [value for _, of in reader.elements for name, value in of.items() if name in ("src", "href", "action")]
    assert {value for value in links if value and not value.startswith("#")} == {"data:,"}
    assert not re.search(r"url\(|@import", plain)


def test_the_policy_allows_the_style_and_nothing_else(plain: str) -> None:
    """Its hash is that of the style as it stands in the page; no element has a style of its own."""
    reader = Reader(plain)
    policy = next(of["content"] for of in reader.named("meta") if of.get("http-equiv") == "Content-Security-Policy")
    style = re.findall(r"<style>(.*?)</style>", plain, re.DOTALL)
    digest = b64encode(sha256(style[0].encode()).digest()).decode()
    assert policy is not None
    assert len(style) == 1
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
    assert not [tag for tag, of in reader.elements if "style" in of]


def test_every_figure_has_its_table(plain: str) -> None:
    """Who cannot see a chart opens the table right behind it."""
    figures = re.findall(r"</figure>\s*<details><summary>Table: ", plain)
    assert len(figures) == plain.count("<figure>") == 2 * (3 + 2 + 1)


def test_tables_have_headings_and_captions(plain: str) -> None:
    """Each says what it is about, and every cell which column it is of."""
    reader = Reader(plain)
    assert len(reader.named("table")) == len(reader.named("caption"))
    assert all(of.get("data-label") for of in reader.named("td"))


def test_the_first_screen_answers_four_questions(plain: str) -> None:
    """Before anything else, for each candidate."""
    first = plain[: plain.index("<article")]
    for asked in ("Can we move?", "What first?", "What would it save?", "How sure are we?"):
        assert first.count(asked) == 2
    assert "In part: some segments can move to ferry" in first


def test_a_hostile_name_is_a_name(plain: str) -> None:
    """It stands there as it is, in tables and in charts, and is nothing else."""
    reader = Reader(plain)
    assert HOSTILE in reader.text
    assert not reader.named("script")


def nothing() -> Iterator[Recorded]:
    return iter(())


def all_failed() -> Iterator[Recorded]:
    for number in range(300):
        one = exchange(BEGUN + number)
        yield Recorded(one, observation(), (replay(one, ReplayOutcome.FAILED, "server_error"),))


def unknown_cost() -> Iterator[Recorded]:
    for number in range(300):
        one = exchange(BEGUN + number)
        yield Recorded(one, observation(Cost()), (replay(one, seen=observation(Cost())),))


def one_giant() -> Iterator[Recorded]:
    for number in range(1000):
        one = exchange(BEGUN + number * 900, tenant="giant" if number % 100 else f"small-{number}")
        yield Recorded(one, observation(), (replay(one),))


def many_tenants() -> Iterator[Recorded]:
    for number in range(5000):
        one = exchange(BEGUN + number * 60, tenant=f"tenant-{number}-{'x' * 60}")
        yield Recorded(one, observation(), (replay(one),))


@pytest.mark.parametrize(
    ("recorded", "said"),
    [
        (nothing, "Nothing was recorded yet."),
        (one_pair, "Not known yet"),
        (all_failed, "Nothing was compared"),
        (unknown_cost, "Not known: the cost is unknown"),
        (one_giant, "giant"),
        (many_tenants, "segments after these"),
    ],
)
def test_an_odd_store_is_told_rightly(tmp_path: Path, recorded: object, said: str) -> None:
    """A page that is whole, of bounded size, and says what there is."""
    made = page(tmp_path / "shadow.db", recorded())  # type: ignore[operator]
    assert said in Reader(made.replace("\N{NO-BREAK SPACE}", " ")).text
    assert len(made.encode()) < LARGEST


def test_a_report_without_breakdowns_is_a_page(tmp_path: Path) -> None:
    """What was not asked for is not there."""
    made = render(*compared(tmp_path / "shadow.db", one_pair(), Scope(breakdowns=())))
    assert "What to move first" not in made


def test_the_inventory_is_a_page() -> None:
    """Its sections are tables, and a name that looks like markup is a name."""
    reader = Reader(inventory(document((HOSTILE, 1, None, None, (), None))))
    assert len(reader.named("table")) == 1
    assert HOSTILE in reader.text
    assert not reader.named("script")


def test_an_empty_inventory_says_what_to_do() -> None:
    """A sentence instead of tables."""
    assert "No model calls in this period" in inventory(Document(None, None, 0, ()))
