import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shadow.exchange import Observation, Outcome, Pending, Recorded, ReplayOutcome
from shadow.report.totals import OTHERS, PENDING, Moments, Replays, Scope, Totals, Traffic
from shadow.store import aggregates, reading
from shadow.store.aggregates import read
from shadow.store.buckets import bucket, seconds
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


def traffic(totals: Totals) -> Traffic:
    return totals.breakdowns[0].traffic[()]


def replays(totals: Totals, arm: str = "ferry") -> Replays:
    return totals.breakdowns[0].replays[arm, ()]


class TestPairs:
    """Sums over completed replays."""

    def test_costs_add_up_exactly(self, stored: Stored) -> None:
        """Sums are whole nano-dollars, beyond what a float can tell apart."""
        big = 9_007_199_254_740_993  # 2 ** 53 + 1
        cost = replays(read(stored([pair(big, 1), pair(2, 3)]), WHOLE)).cost
        assert (cost.pairs, cost.primary_nano, cost.candidate_nano) == (2, big + 2, 4)

    def test_pairs_with_an_unknown_cost_are_in_neither_sum(self, stored: Stored) -> None:
        """Each side's unknowns are counted, and the known side of such a pair is left out too."""
        found = replays(read(stored([pair(10, 7), pair(10, None), pair(None, 7), pair(None, None)]), WHOLE))
        unknown = (found.primary_cost_unknown, found.candidate_cost_unknown, found.cost_unknown)
        assert (found.pairs, unknown) == (4, (2, 2, 3))
        assert (found.cost.pairs, found.cost.primary_nano, found.cost.candidate_nano) == (1, 10, 7)

    def test_uncached_costs_are_over_their_own_pairs(self, stored: Stored) -> None:
        """A pair whose cost is known may lack the normalised one."""
        lacking = pair(10, 7)
        half = replace(lacking.observation, cost=replace(lacking.observation.cost, normalised_usd=None))
        found = replays(read(stored([pair(5, 4), replace(lacking, observation=half)]), WHOLE))
        assert (found.cost.pairs, found.normalised.pairs, found.normalised.primary_nano) == (2, 1, 5)

    def test_moments_weigh_by_the_inverse_probability(self, stored: Stored) -> None:
        """x = 3 with weight 2 and x = −1 with weight 10."""
        moments = replays(read(stored([pair(1, 4, 0.5), pair(2, 1, 0.1)]), WHOLE)).cost.moments
        assert moments == Moments(2, 12.0, 104.0, -4.0, -88.0, 136.0, 22.0)

    def test_pair_without_a_probability_is_summed_but_stands_for_nothing(self, stored: Stored) -> None:
        """Sums need no weight; an estimate does."""
        cost = replays(read(stored([pair(1, 4, None), pair(2, 1)]), WHOLE)).cost
        assert (cost.pairs, cost.primary_nano, cost.moments.pairs, cost.moments.w) == (2, 3, 1, 2.0)

    def test_durations_are_histograms_of_both_arms(self, stored: Stored) -> None:
        """Weights by representative seconds, of the primary's and the candidate's time."""
        one = exchange(total_s=2.0)
        answer = replay(one, probability=0.25, total_s=0.01, seen=observation(ttft_s=0.005))
        found = replays(read(stored([Recorded(one, observation(ttft_s=0.5), (answer,))]), WHOLE))
        said = [found.total.primary, found.total.candidate, found.ttft.primary, found.ttft.candidate]
        assert said == [{seconds(bucket(value) or 0): 4.0} for value in (2.0, 0.01, 0.5, 0.005)]

    def test_durations_differ_by_pair(self, stored: Stored) -> None:
        """The moments are of the candidate's time less the primary's, unrounded."""
        found = replays(read(stored([pair(1, 1)]), WHOLE))  # 3 s against 2 s
        assert (found.total.moments.wx, found.total.moments.pairs) == (2.0, 1)

    def test_unknown_first_token_leaves_the_whole_answer(self, stored: Stored) -> None:
        """A plain answer has no first token; its total counts all the same."""
        one = exchange()
        plain = Recorded(one, observation(ttft_s=None), (replay(one),))
        found = replays(read(stored([plain]), WHOLE))
        assert (found.ttft.moments.pairs, found.ttft.primary, found.total.moments.pairs) == (0, {}, 1)

    def test_completed_replay_of_a_broken_answer_is_no_pair(self, stored: Stored) -> None:
        """Both arms must have answered."""
        found = replays(read(stored([pair(1, 1, outcome=Outcome.UPSTREAM_TRUNCATED)]), WHOLE))
        assert (found.outcomes["completed", None], found.pairs, found.cost.pairs) == (1, 0, 0)


class TestOutcomes:
    """What became of every exchange."""

    def test_every_replay_is_counted_once_by_outcome_and_reason(self, stored: Stored) -> None:
        """Ended, and pending."""
        ends = [
            (ReplayOutcome.INELIGIBLE, "privacy"),
            (ReplayOutcome.INELIGIBLE, "preset"),
            (ReplayOutcome.SAMPLED_OUT, "not_drawn"),
            (ReplayOutcome.SAMPLED_OUT, "not_drawn"),
            (ReplayOutcome.WITHHELD, "consent"),
            (ReplayOutcome.DROPPED, "queue_count"),
            (ReplayOutcome.FAILED, "deadline"),
            (ReplayOutcome.COMPLETED, None),
        ]
        ones = [(exchange(), end) for end in ends]
        recorded = [Recorded(one, observation(), (replay(one, *end),)) for one, end in ones]
        recorded.append(Recorded(exchange(), observation(), (), (Pending("ferry", 0.5),)))
        counted = {**dict.fromkeys([(str(outcome), reason) for outcome, reason in ends], 1), (PENDING, None): 1}
        counted["sampled_out", "not_drawn"] = 2
        assert replays(read(stored(recorded), WHOLE)).outcomes == counted

    def test_traffic_is_answered_an_error_or_cancelled(self, stored: Stored) -> None:
        """Every model call is one of the three; other requests are exchanges only."""
        recorded = [
            Recorded(exchange(), observation()),
            Recorded(exchange(tenant=None), observation(error_kind="overloaded", cost=usd(None))),
            Recorded(exchange(outcome=Outcome.UPSTREAM_FAILED, feature=None), observation(cost=usd(None))),
            Recorded(exchange(outcome=Outcome.CLIENT_CANCELLED), observation(cost=usd(None), error_kind="truncated")),
            Recorded(exchange(tenant=None), Observation()),
        ]
        assert traffic(read(stored(recorded), WHOLE)) == Traffic(
            exchanges=5,
            calls=4,
            answered=1,
            errors=2,
            cancelled=1,
            cost_unknown=1,
            cost_nano=1_000_000,
            no_tenant=1,
            no_feature=1,
        )

    def test_exchanges_without_a_replay_are_traffic(self, stored: Stored) -> None:
        """Nothing is known of an arm that was not configured."""
        assert read(stored([Recorded(exchange(), observation())]), WHOLE).arms == ()

    def test_empty_store_has_no_period(self, stored: Stored) -> None:
        """No exchange, no figures, no error."""
        totals = read(stored([]), Scope())
        assert (totals.first_at, totals.last_at, totals.breakdowns[0].traffic) == (None, None, {})


class TestScope:
    """Which exchanges are read, and how they are broken down."""

    def test_period_is_half_open(self, stored: Stored) -> None:
        """From `since` on, up to but without `until`."""
        path = stored(pair(10**n, 1, at=BEGUN + n) for n in range(4))
        since = datetime.fromtimestamp(BEGUN + 1, UTC)
        totals = read(path, replace(WHOLE, since=since, until=since + timedelta(seconds=2)))
        assert (replays(totals).cost.primary_nano, totals.first_at, totals.last_at) == (110, BEGUN + 1, BEGUN + 2)

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
        monkeypatch.setattr(aggregates, "SEGMENTS_MAX", 1)
        path = stored([pair(1, 1), pair(1, 1), pair(2, 1, tenant="b"), pair(4, 1, tenant="c")])
        found = read(path, Scope()).breakdowns[0]
        assert found.merged == 2
        assert {segment: one.exchanges for segment, one in found.traffic.items()} == {("acme",): 2, OTHERS: 2}
        assert found.replays["ferry", OTHERS].cost.primary_nano == 6

    def test_two_connections_find_what_one_finds(self, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
        """A large period is read in halves that add up."""
        path, scope = stored(mixed(500)), Scope(breakdowns=(("tenant",), ("feature",)))
        alone = read(path, scope)
        monkeypatch.setattr(reading, "PARALLEL_BYTES", 0)
        monkeypatch.setattr(reading.os, "cpu_count", lambda: 2)
        with reading.connections(path) as opened:
            assert len(opened) == 2
        assert [_sum(read(path, scope), index) for index in (0, 1)] == [_sum(alone, index) for index in (0, 1)]


def _sum(totals: Totals, index: int) -> tuple[Traffic, dict[str, object]]:
    """All segments of a breakdown together, with what are floats rounded."""
    every, arms = Traffic(), {arm: Replays() for arm in totals.arms}
    for one in totals.breakdowns[index].traffic.values():
        every.add(one)
    for (arm, _), found in totals.breakdowns[index].replays.items():
        arms[arm].add(found)
    exact = {arm: (one.outcomes, one.pairs, one.cost.pairs, one.cost.primary_nano) for arm, one in arms.items()}
    rounded = {arm: (f"{one.cost.moments.wwxx:.6g}", math.fsum(one.ttft.primary.values())) for arm, one in arms.items()}
    return every, {"exact": exact, "rounded": rounded}
