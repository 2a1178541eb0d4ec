import json
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shadow.exchange import Recorded, ReplayOutcome
from shadow.report import as_json
from shadow.report.comparison import compare
from shadow.report.totals import Loss, Scope
from shadow.store.aggregates import read
from tests.report.population import BEGUN, exchange, mixed, observation, replay, store, usd

FIGURES = ("cost", "uncached", "ttft", "total", "tpot", "errors", "agreement", "unprojected")
MODELS = ("anthropic/claude-sonnet-4.5", "openai/gpt-4o-mini")  # the first has a few more exchanges


def rendered(path: Path, scope: Scope) -> dict[str, Any]:
    return json.loads(as_json.render(compare(read(path, scope), scope)))


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A report of 3,000 exchanges by tenant and by feature."""
    path = store(tmp_path_factory.mktemp("report") / "shadow.db", mixed(3000))
    return rendered(path, Scope(breakdowns=(("tenant", "feature"), ("model",))))


def test_money_is_exact_text(tmp_path: Path) -> None:
    """Decimal text without an exponent, equal to the sums by hand."""
    pairs = [(10**13 - 1, 3), (1, 4), (250_000_002, 70)]
    ones = [(exchange(), primary, candidate) for primary, candidate in pairs]
    recorded = [Recorded(one, observation(usd(p)), (replay(one, seen=observation(usd(c))),)) for one, p, c in ones]
    cost = rendered(store(tmp_path / "shadow.db", recorded), Scope())["candidates"][0]["overall"]["cost"]
    assert (cost["primary_usd"], cost["candidate_usd"]) == ("10000.250000002", "0.000000077")


def test_unknown_is_null_with_its_reason(tmp_path: Path) -> None:
    """One pair gives sums and nothing else."""
    one = exchange()
    path = store(tmp_path / "shadow.db", [Recorded(one, observation(), (replay(one),))])
    overall = rendered(path, Scope())["candidates"][0]["overall"]
    assert (overall["cost"]["mean_difference_usd"], overall["errors"]["candidate"]["rate"]) == (None, None)
    assert overall["unknown"]["cost.mean_difference_usd"] == "fewer than 30 pairs"
    assert overall["unknown"]["errors.candidate.rate"] == "fewer than 10 calls"


def test_every_unknown_reason_belongs_to_a_null(document: dict[str, Any]) -> None:
    """A path in `unknown` leads to a null, and every null has one."""
    for candidate in document["candidates"]:
        for breakdown in candidate["breakdowns"]:
            for segment in breakdown["segments"]:
                figures = {key: segment[key] for key in FIGURES}
                assert set(_nulls(figures, "")) == set(segment["unknown"])


def _nulls(node: Any, path: str) -> list[str]:
    if isinstance(node, dict):
        return [found for key, value in node.items() for found in _nulls(value, f"{path}.{key}".lstrip("."))]
    return [path] if node is None else []


def test_documented_keys_are_there(document: dict[str, Any]) -> None:
    """Every key that the schema's description names occurs, in the places that programs read."""
    assert list(document) == ["schema", "scope", "period", "loss", "traffic", "control", "candidates"]
    overall = document["candidates"][1]["overall"]
    assert list(overall) == ["segment", "coverage", *FIGURES, "verdict", "verdicts", "cost_unknown", "unknown"]
    described = as_json.__doc__ or ""
    leaves = [
        *document["traffic"],
        *overall["coverage"],
        *overall["cost"],
        *overall["ttft"],
        *overall["errors"]["primary"],
        *overall["unprojected"],
        *overall["verdicts"][0],
    ]
    assert [key for key in leaves if key not in described] == []


def test_segments_are_named_by_dimension(document: dict[str, Any]) -> None:
    """A value that is not known is null, overall has none."""
    by_tenant, by_model = document["candidates"][0]["breakdowns"]
    assert {"tenant": None, "feature": "chat"} in [segment["segment"] for segment in by_tenant["segments"]]
    assert (by_model["dimensions"], document["candidates"][0]["overall"]["segment"]) == (["model"], None)


def test_traffic_is_broken_down_too(document: dict[str, Any]) -> None:
    """The primary's own figures by segment add up to those of all traffic, whether there are candidates or not."""
    traffic = document["traffic"]
    by_tenant, by_model = traffic["breakdowns"]
    assert [one["segment"] for one in by_model["segments"]] == [{"model": name} for name in MODELS]
    for key in ("exchanges", "calls", "answered", "errors", "cancelled", "cost_unknown", "cost_known"):
        assert sum(one[key] for one in by_tenant["segments"]) == traffic[key]
    assert sum(Decimal(one["cost_usd"]) for one in by_model["segments"]) == Decimal(traffic["cost_usd"])


def test_coverage_reconciles(document: dict[str, Any]) -> None:
    """In every segment, every exchange is in one place, and reasons add up to their outcome."""
    for segment in document["candidates"][0]["breakdowns"][0]["segments"]:
        found = segment["coverage"]
        assert found["exchanges"] == found["unconsidered"] + found["ineligible"] + found["eligible"]
        assert found["failed"] == sum(found["reasons"].get("failed", {}).values())


def test_output_is_ascii(tmp_path: Path) -> None:
    """What a name holds cannot reach a terminal as anything but JSON escapes."""
    one = exchange(tenant="\x9b31m\u202e")
    text = as_json.render(
        compare(
            read(store(tmp_path / "shadow.db", [Recorded(one, observation())]), Scope()),
            Scope(where=(("tenant", "ü"),)),
        )
    )
    assert text.isascii()


def test_times_are_iso(tmp_path: Path) -> None:
    """With their zone."""
    one = exchange(BEGUN)
    unreplayed = replay(one, ReplayOutcome.SAMPLED_OUT, "not_drawn")
    found = rendered(store(tmp_path / "shadow.db", [Recorded(one, observation(), (unreplayed,))]), Scope())
    assert found["period"]["first_at"] == "2026-09-21T14:13:20+00:00"


def test_nothing_recorded(tmp_path: Path) -> None:
    """An empty store is a document too."""
    found = rendered(store(tmp_path / "shadow.db", []), Scope())
    assert (found["period"], found["candidates"]) == ({"first_at": None, "last_at": None}, [])


def test_what_is_missing_is_told(tmp_path: Path, document: dict[str, Any]) -> None:
    """Null where nothing is; else how many exchanges, how many of them are in ClickHouse, and up to when."""
    assert document["loss"] is None
    report = compare(read(store(tmp_path / "shadow.db", ()), Scope()), Scope())
    lost = json.loads(as_json.render(replace(report, loss=Loss(2, 1, BEGUN))))["loss"]
    assert (lost["exchanges"], lost["shipped"]) == (3, 2)
    assert datetime.fromisoformat(lost["until"]).timestamp() == BEGUN
