"""Odd stores: every format says what is there, and nothing that is not."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shadow.exchange import Recorded, ReplayOutcome
from shadow.report import as_csv, as_json, as_markdown, text
from shadow.report.comparison import Report, compare
from shadow.report.totals import OTHERS, Scope
from shadow.store.aggregates import read
from tests.report.population import BEGUN, exchange, observation, replay, store, usd

BY_TENANT = Scope(breakdowns=(("tenant",),))
MARKUP = "<script>alert('x')</script>"


def reported(directory: Path, recorded: Iterable[Recorded], scope: Scope = BY_TENANT) -> Report:
    return compare(read(store(directory / "shadow.db", recorded), scope), scope)


def formats(report: Report) -> tuple[str, str, dict[str, Any], list[dict[str, str]]]:
    """As text, Markdown, JSON and CSV."""
    rows = list(csv.DictReader(io.StringIO(as_csv.render(report))))
    return text.render(report), as_markdown.render(report), json.loads(as_json.render(report)), rows


def pairs(count: int, tenant: str | None = "acme", at: float = BEGUN, **candidate: Any) -> Iterator[Recorded]:
    """So many pairs, four minutes apart."""
    for number in range(count):
        one = exchange(at + number * 240.0, tenant=tenant)
        yield Recorded(one, observation(), (replay(one, seen=observation(**candidate)),))


def test_an_empty_store(tmp_path: Path) -> None:
    """There is nothing to report, which is said."""
    plain, markdown, document, rows = formats(reported(tmp_path, []))
    assert "No exchanges were recorded" in plain
    assert "No exchanges were recorded" in markdown
    assert (document["traffic"]["exchanges"], document["candidates"], rows) == (0, [], [])


def test_one_pair(tmp_path: Path) -> None:
    """Its sums are facts; nothing is estimated from it, and no verdict given."""
    plain, _, document, [overall, tenant] = formats(reported(tmp_path, pairs(1, cost=usd(600_000))))
    assert "this pair" in plain
    one = document["candidates"][0]["overall"]
    assert (one["cost"]["candidate_usd"], one["cost"]["change"], one["verdict"]) == ("0.0006", None, "inconclusive")
    assert {verdict["more_pairs"] for verdict in one["verdicts"]} == {199}
    assert (overall["pairs"], tenant["tenant"], tenant["change"]) == ("1", "acme", "")


def test_everything_failed(tmp_path: Path) -> None:
    """No pair, no cost, an availability of nothing: the candidate is worse, and why is said."""
    ones = [exchange(BEGUN + number * 60.0) for number in range(300)]
    failed = [Recorded(one, observation(), (replay(one, ReplayOutcome.FAILED, "deadline"),)) for one in ones]
    plain, _, document, [overall, _] = formats(reported(tmp_path, failed))
    assert "ferry: worse (worse in errors" in plain
    errors = document["candidates"][0]["overall"]["errors"]["candidate"]
    assert (errors["errors"], errors["rate"], errors["availability"]["mean"]) == (300, 1.0, 0.0)
    assert errors["faults"]["capacity"]["errors"] == 300
    assert (overall["error_rate_verdict"], overall["primary_usd"]) == ("worse", "")


def test_every_cost_is_unknown(tmp_path: Path) -> None:
    """Latency is compared; of cost there is no figure, and it is not zero."""
    plain, _, document, [overall, _] = formats(reported(tmp_path, pairs(300, cost=usd(None))))
    one = document["candidates"][0]["overall"]
    assert (one["cost"]["primary_usd"], one["cost"]["excluded"], one["total"]["pairs"]) == (None, 300, 300)
    assert one["unknown"]["cost.change"] == "the cost is unknown"
    assert (overall["change"], overall["cost_verdict"], overall["ttft_p95_verdict"]) == (
        "",
        "inconclusive",
        "equivalent",
    )
    assert "Of unknown cost, in neither sum: 300 pairs" in " ".join(plain.split())


def test_one_giant_tenant_does_not_drown_the_others(tmp_path: Path) -> None:
    """Each has its own figures, overall is by weight: the giant's."""
    recorded = [*pairs(2000, "giant", cost=usd(500_000)), *pairs(40, "small", BEGUN + 7.0, cost=usd(2_000_000))]
    report = reported(tmp_path, recorded)
    changes = {row["tenant"]: float(row["change"]) for row in formats(report)[3]}
    assert changes["giant"] == pytest.approx(-0.5)
    assert changes["small"] == pytest.approx(1.0)
    assert changes[""] == pytest.approx((40 * 1.0 - 2000 * 0.5) / 2040)


def test_five_thousand_tenants(tmp_path: Path) -> None:
    """The largest are listed, the others together, and all of them are in the sum."""
    recorded = [one for number in range(5000) for one in pairs(1, f"tenant-{number:04}", BEGUN + number)]
    recorded += pairs(50, "largest", BEGUN + 0.5)
    plain, _, document, rows = formats(reported(tmp_path, recorded))
    by_tenant = document["candidates"][0]["breakdowns"][0]
    assert (by_tenant["merged"], len(by_tenant["segments"])) == (4801, 201)
    assert sum(one["coverage"]["pairs"] for one in by_tenant["segments"]) == 5050
    assert (rows[1]["tenant"], rows[1]["pairs"], rows[-1]["segment"]) == ("largest", "50", OTHERS)
    assert len(plain.splitlines()) < 300


def test_markup_in_names_is_text_everywhere(tmp_path: Path) -> None:
    """In a tenant, a feature and a model: shown as it is where nothing reads it, escaped where something would."""
    one = exchange(tenant=MARKUP, feature="\x1b[31mred")
    recorded = [Recorded(one, observation(model="a|b"), (replay(one),))]
    scope = Scope(breakdowns=(("tenant", "feature", "model"),))
    plain, markdown, document, rows = formats(reported(tmp_path, recorded, scope))
    assert MARKUP in plain
    assert "\x1b" not in plain + markdown
    assert "<script>" not in markdown.replace(r"\<script\>", "")
    assert document["candidates"][0]["breakdowns"][0]["segments"][0]["segment"]["tenant"] == MARKUP
    assert (rows[1]["tenant"], rows[1]["model"]) == (MARKUP, "a|b")
