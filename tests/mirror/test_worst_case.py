"""The most that a replay can cost: counts, pictures, limits and prices."""

from datetime import UTC, datetime
from decimal import Decimal

import orjson
import pytest

from shadow.config import Candidate, Price
from shadow.mirror.dialects import RULES
from shadow.mirror.models import Mapped
from shadow.mirror.notes import TAGS
from shadow.mirror.rewrite import rewrite
from shadow.mirror.worst_case import CAPPED, PICTURE_TOKENS, PREAMBLE_TOKENS, limited, worst_usd_of
from shadow.wire.prices import PriceBook
from shadow.wire.tariffs import MILLION
from tests.mirror.making import HELLO

AT = datetime(2026, 12, 1, tzinfo=UTC)
PRICE = Price(input=Decimal(1), output=Decimal(10))
BOOK = PriceBook({"small": (PRICE,), "dear": (Price(input=Decimal(1), output=Decimal(100)),)}, None)


def written(dialect="openai", cap=100, **more):
    """What would be sent to a candidate with a budget."""
    body = {**HELLO, **more}
    return limited(rewrite(body, Mapped("small", HELLO["model"]), dialect), RULES[dialect].limit, cap)


def tokens(body, size=0, book=BOOK):
    """Micro-dollars, which are prompt tokens and ten times the answer's."""
    return worst_usd_of(body, size, book, AT) * MILLION


def test_a_request_with_a_limit_is_left_as_it_is():
    """The client's limit bounds the answer, under whichever name the dialect has for it."""
    for field in ("max_tokens", "max_completion_tokens"):
        made = written(**{field: 7})
        assert (made.body["max_completion_tokens"], made.rewrite.tags) == (7, ())
        assert tokens(made.body) == PREAMBLE_TOKENS + 70


@pytest.mark.parametrize("odd", [None, 0, -1, "7", 7.5, True])
def test_without_a_limit_the_cap_is_sent(odd):
    """What bounds nothing is no limit; the pair carries a tag, as its primary's answer was not bounded."""
    made = written(max_tokens=odd)
    assert made.body["max_completion_tokens"] == 100
    assert made.rewrite.tags == (CAPPED,)
    assert made.rewrite.mapped[-1] == "max_completion_tokens: none → 100"
    assert CAPPED in TAGS


def test_the_cap_goes_by_the_dialects_name():
    """A candidate that knows only the older field gets that one."""
    assert written("vllm").body["max_tokens"] == 100
    assert "max_completion_tokens" not in written("vllm").body


def test_reasoning_by_number_comes_on_top():
    """A limit below the tokens asked for reasoning would be refused."""
    made = written("anthropic", reasoning={"max_tokens": 5000})
    assert (made.body["thinking"]["budget_tokens"], made.body["max_tokens"]) == (5000, 5100)


def test_a_byte_is_at_least_a_token():
    """The prompt is bounded by the bytes that are sent, whatever the language."""
    assert tokens({"model": "small", "max_tokens": 1}, size=12_345) == PREAMBLE_TOKENS + 12_345 + 10


@pytest.mark.parametrize("url", ["https://example.com/cat.png", "data:image/png;base64," + "A" * 5_000_000])
def test_a_picture_counts_as_the_dearest(url):
    """Neither its address nor its data tells how many tokens it makes."""
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]
    body = {"model": "small", "messages": [{"role": "user", "content": parts}], "max_tokens": 1}
    size = len(orjson.dumps(body))
    most = PREAMBLE_TOKENS + PICTURE_TOKENS + 10 + len(orjson.dumps(body).replace(url.encode(), b"")) + 30
    assert PICTURE_TOKENS < tokens(body, size) <= most


def test_the_dearest_of_several_models_is_taken():
    """A router's fallbacks may answer in the place of the first."""
    body = {"model": "small", "models": ["small", "dear"], "max_tokens": 1}
    assert tokens(body) == PREAMBLE_TOKENS + 100


def test_writing_a_cache_may_be_dearer_than_the_prompt():
    """The whole prompt is taken to be written, where that costs more."""
    book = PriceBook({"small": (Price(input=Decimal(1), output=Decimal(10), cache_write=Decimal(2)),)}, None)
    assert tokens({"model": "small", "max_tokens": 1}, book=book) == 2 * PREAMBLE_TOKENS + 10


def test_predictions_that_are_not_used_are_billed_as_answers():
    """Their length is bounded by the bytes, too."""
    body = {"model": "small", "max_tokens": 1, "prediction": {"type": "content", "content": "x"}}
    assert tokens(body) == PREAMBLE_TOKENS + 10 * (1 + PREAMBLE_TOKENS)


@pytest.mark.parametrize(
    "body",
    [
        {"model": "other", "max_tokens": 1},
        {"model": "small", "models": ["other"], "max_tokens": 1},
        {"model": "small", "max_tokens": 10**12},
        {"max_tokens": 1},
    ],
)
def test_what_has_no_price_has_no_bound(body):
    """One unknown price among several is enough, and so is a sum that no call costs."""
    assert worst_usd_of(body, 1, BOOK, AT) is None


def test_the_catalogue_prices_what_the_operator_did_not():
    """A seller that the catalogue knows needs no price in the configuration."""
    seller = Candidate(name="ferry", url="https://api.openai.com/v1", dialect="openai", models={})
    book = PriceBook.for_candidate(seller)
    worst = worst_usd_of({"model": "gpt-4o-mini", "max_tokens": 1000}, 10_000, book, AT)
    assert worst == (11_000 * Decimal("0.15") + 1000 * Decimal("0.6")) / MILLION
