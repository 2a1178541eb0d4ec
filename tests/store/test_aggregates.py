import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shadow.exchange import Recorded, ReplayOutcome
from shadow.report.totals import OTHERS, Replays, Scope, Totals, Traffic
from shadow.store import engines, reading
from shadow.store.aggregates import arms, read
from tests.report.population import BEGUN, exchange, mixed, observation, replay, store, usd

WHOLE = Scope(breakdowns=())

Stored = Callable[[Iterable[Recorded]], Path]


@pytest.fixture
def stored(tmp_path: Path) -> Stored:
    return lambda recorded: store(tmp_path / "shadow.db", recorded)


def pair(primary: int | None, candidate: int | None, probability: float | None = 0.5, **options: object) -> Recorded:
    """A pair with these costs in nano-dollars."""
    one = exchange(**options)  # type: ignore[arg-type]
    seen = observation(usd(candidate))
    return Recorded(one, observation(usd(primary)), (replay(one, probability=probability, seen=seen),))


def replays(totals: Totals, arm: str = "ferry") -> Replays:
    return totals.breakdowns[0].replays[arm, ()]


class TestScope:
    """Which exchanges are read, and how they are broken down."""

    def test_period_is_half_open(self, stored: Stored) -> None:
        """From `since` on, up to but without `until`."""
        path = stored(pair(10**n, 1, at=BEGUN + n) for n in range(4))
        since = datetime.fromtimestamp(BEGUN + 1, UTC)
        totals = read(path, replace(WHOLE, since=since, until=since + timedelta(seconds=2)))
        assert (replays(totals).cost.primary_nano, totals.first_at, totals.last_at) == (110, BEGUN + 1, BEGUN + 2)

    def test_each_arm_has_its_own_time(self, stored: Stored) -> None:
        """From the first to the last exchange that it was configured for, whether it was drawn or not."""
        ones = [exchange(BEGUN + n) for n in range(5)]
        out = [Recorded(one, observation(), (replay(one, ReplayOutcome.SAMPLED_OUT, "not_drawn"),)) for one in ones]
        recorded = [Recorded(ones[0], observation()), *out[1:4], Recorded(ones[4], observation())]
        assert read(stored(recorded), WHOLE).considered == {"ferry": (BEGUN + 1, BEGUN + 3)}

    @pytest.mark.parametrize(
        ("where", "nano"),
        [
            pytest.param((("tenant", "acme"),), 11, id="one"),
            pytest.param((("tenant", "acme"), ("feature", "agents")), 10, id="two must both hold"),
            pytest.param((("tenant", ""),), 100, id="empty asks for those without"),
            pytest.param((("tenant", "nobody"),), 0, id="none"),
            pytest.param((("tenant", "' OR 1 --"),), 0, id="a value is a value"),
        ],
    )
    def test_conditions_on_dimensions(self, stored: Stored, where: tuple[tuple[str, str], ...], nano: int) -> None:
        """Values must be equal."""
        path = stored([pair(1, 1), pair(10, 1, feature="agents"), pair(100, 1, tenant=None)])
        totals = read(path, Scope(where=where, breakdowns=()))  # type: ignore[arg-type]
        assert sum(one.cost.primary_nano for one in totals.breakdowns[0].replays.values()) == nano

    def test_one_candidate(self, stored: Stored) -> None:
        """The other arms' replays are not read."""
        path = stored(mixed(50))
        assert read(path, Scope(candidate="canal")).arms == ("canal",)

    def test_arms_of_a_period(self, stored: Stored) -> None:
        """Those that are there, whatever else is asked for; none where nothing was recorded."""
        path = stored([pair(1, 1), Recorded(exchange(BEGUN + 9), observation())])
        later = datetime.fromtimestamp(BEGUN + 5, UTC)
        asked = Scope(candidate="nope", where=(("tenant", "nobody"),))
        scopes = (asked, replace(asked, since=later), replace(asked, since=later + timedelta(days=1)))
        assert [arms(path, scope) for scope in scopes] == [("ferry",), (), ()]

    def test_segments_by_combination(self, stored: Stored) -> None:
        """Unknown is a segment of its own, apart from every name."""
        path = stored([pair(1, 1), pair(2, 1, feature="agents"), pair(4, 1, tenant=None), pair(8, 1, tenant="None")])
        found = read(path, Scope(breakdowns=(("tenant", "feature"),))).breakdowns[0].replays
        assert {segment: one.cost.primary_nano for (_, segment), one in found.items()} == {
            ("acme", "chat"): 1,
            ("acme", "agents"): 2,
            (None, "chat"): 4,
            ("None", "chat"): 8,
        }

    def test_model_is_the_one_that_was_requested(self, stored: Stored) -> None:
        """The segment of a call is known before anybody answers it."""
        assert set(read(stored([pair(1, 1)]), Scope(breakdowns=(("model",),))).breakdowns[0].traffic) == {("m",)}

    def test_every_breakdown_has_the_same_sums(self, stored: Stored) -> None:
        """Whatever it is broken down by, nothing is lost and nothing counted twice."""
        totals = read(stored(mixed(2000)), Scope(breakdowns=((), ("tenant",), ("plan", "feature", "model"))))
        assert [_sum(totals, index) for index in (1, 2)] == [_sum(totals, 0)] * 2

    def test_small_segments_are_together(self, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
        """The largest are listed; of the others the sum, and how many they are."""
        monkeypatch.setattr(engines, "SEGMENTS_MAX", 1)
        path = stored([pair(1, 1), pair(1, 1), pair(2, 1, tenant="b"), pair(4, 1, tenant="c")])
        found = read(path, Scope()).breakdowns[0]
        assert found.merged == 2
        assert {segment: one.exchanges for segment, one in found.traffic.items()} == {("acme",): 2, OTHERS: 2}
        assert found.replays["ferry", OTHERS].cost.primary_nano == 6

    def test_two_connections_find_what_one_finds(self, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of a large database each reads half of the draws, and these add up."""
        path, scope = stored(mixed(500)), Scope(breakdowns=(("tenant",), ("feature",)))
        alone = read(path, scope)
        monkeypatch.setattr(reading, "PARALLEL_BYTES", 0)
        monkeypatch.setattr(reading.os, "cpu_count", lambda: 2)
        with reading.connections(path) as opened:
            assert len(opened) == 2
        halves = read(path, scope)
        assert [_sum(halves, index) for index in (0, 1)] == [_sum(alone, index) for index in (0, 1)]
        assert halves.considered == alone.considered


def _sum(totals: Totals, index: int) -> tuple[Traffic, dict[str, object]]:
    """All segments of a breakdown together, with what are floats rounded."""
    every, arms = Traffic(), {arm: Replays() for arm in totals.arms}
    for one in totals.breakdowns[index].traffic.values():
        every.add(one)
    for (arm, _), found in totals.breakdowns[index].replays.items():
        arms[arm].add(found)
    exact = {arm: (one.outcomes, one.pairs, one.cost.pairs, one.cost.primary_nano) for arm, one in arms.items()}
    rounded = {arm: (f"{one.cost.moments.p:.6g}", math.fsum(one.ttft.primary.values())) for arm, one in arms.items()}
    return every, {"exact": exact, "rounded": rounded}
