"""Which models, with which prompts, and how patiently they are waited for."""

import pytest

from shadow.inventory.facts import Calls, Facts, ModelUse, PromptUse
from shadow.inventory.models import models, quantile
from tests.inventory.reading import only, rows


def use(requested: str, served: str, provider: str = "P", calls: int = 10, streamed: int = 0) -> ModelUse:
    return ModelUse(requested, served, provider, "reported", Calls(calls, answered=calls, streamed=streamed))


def test_a_model_is_one_row_whoever_answered() -> None:
    """Served models and providers are named, those with the most calls first; so are the rows."""
    facts = Facts(models=[use("a", "a-1", "P"), use("a", "a-2", "Q", 30), use("b", "b", calls=20)])
    first, second = rows(models(facts))
    assert (first["requested"], first["served"], first["providers"], first["calls"]) == (
        "a",
        ("a-2", "a-1"),
        ("Q", "P"),
        40,
    )
    assert second["requested"] == "b"


@pytest.mark.parametrize(
    ("requested", "served", "routed"),
    [
        ("openai/gpt-4o-mini", "openai/gpt-4o-mini-2024-07-18", False),
        ("anthropic/claude-sonnet-4.5", "anthropic/claude-4.5-sonnet-20250929", False),
        ("vendor/model:free", "vendor/model", False),
        ("vendor/model", "", False),
        ("openrouter/auto", "openai/gpt-4o", True),
        ("openai/gpt-4o", "openai/gpt-5", True),
    ],
)
def test_another_model_is_told_from_a_release_of_the_same(requested: str, served: str, routed: bool) -> None:
    """A date, another order of words and a variant are the same model; anything else is routing at work."""
    [row] = rows(models(Facts(models=[use(requested, served)])))
    assert ("routing is at work" in row["means"]) == routed


def test_prompts_and_patience_are_their_own_models() -> None:
    """Quantiles, the most a context has to hold, and the least patient client."""
    prompts = [
        PromptUse("a", 100, 600.0, 6, 120),
        PromptUse("a", 9000, 30.0, 4, 9500),
        PromptUse("b", None, None, 1, 0),
    ]
    section = models(Facts(models=[use("a", "a"), use("b", "b")], prompts=prompts))
    row = only(section, requested="a")
    assert (row["input_tokens_p50"], row["input_tokens_p90"], row["most_tokens"], row["client_timeout_s"]) == (
        100,
        9000,
        9500,
        30.0,
    )
    assert "needs room for 9,500 tokens" in row["means"]
    assert "give up after 30 s" in row["means"]
    unknown = only(section, requested="b")
    assert (unknown["input_tokens_p50"], unknown["most_tokens"], unknown["client_timeout_s"]) == (None, None, None)


@pytest.mark.parametrize(("streamed", "watch"), [(5, "watch the first token"), (4, "watch the whole answer")])
def test_who_watches_an_answer_come_waits_for_its_first_token(streamed: int, watch: str) -> None:
    """From a half of streams on."""
    [row] = rows(models(Facts(models=[use("a", "a", streamed=streamed)])))
    assert watch in row["means"]


def test_many_names_are_counted_not_listed() -> None:
    """A router's dozens of models do not make a row unreadable."""
    [row] = rows(models(Facts(models=[use("a", f"m{number}", calls=number) for number in range(1, 7)])))
    assert row["served"] == ("m6", "m5", "m4", "and 3 more")


def test_cancelled_calls_are_no_errors() -> None:
    """The share of errors is of those that ended in an answer or an error."""
    calls = Calls(10, answered=6, cancelled=2)
    [row] = rows(models(Facts(models=[ModelUse("a", "a", "", "unknown", calls)])))
    assert (row["error_share"], row["cost_usd"]) == (0.25, None)


def test_a_quantile_of_nothing_is_unknown() -> None:
    """And of one value it is that."""
    assert (quantile({}, 0.5), quantile({7: 1}, 0.9)) == (None, 7)
