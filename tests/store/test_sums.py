from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from shadow.exchange import Observation, Outcome, Pending, Recorded, ReplayOutcome
from shadow.report.totals import PENDING, Breakdown, Dimension, Moments, Replays, Scope, Totals, Traffic
from shadow.store import sums
from shadow.store.aggregates import read
from shadow.store.buckets import bucket, seconds
from tests.report.population import exchange, mixed, observation, replay, store, usd

WHOLE = Scope(breakdowns=())

Stored = Callable[[Iterable[Recorded]], Path]


@pytest.fixture
def stored(tmp_path: Path) -> Stored:
    return lambda recorded: store(tmp_path / "shadow.db", recorded)


def pair(
    primary: int | None,
    candidate: int | None,
    probability: float | None = 0.5,
    conversation: int | None = None,
    **options: object,
) -> Recorded:
    """A pair with these costs in nano-dollars."""
    one = exchange(**options)  # type: ignore[arg-type]
    ended = replay(one, probability=probability, seen=observation(usd(candidate)))
    return Recorded(one, observation(usd(primary)), (replace(ended, conversation=conversation),))


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
        assert moments == Moments(2, 12.0, 104.0, -4.0, -88.0, 136.0, 22.0, 2)

    def test_moments_of_the_second_order_are_of_conversations(self, stored: Stored) -> None:
        """Two turns of x = 3 and x = −1 with weight 2 are one of W = 4 and X = 4; a single one has W = 10, X = −10."""
        talk = [pair(1, 4, 0.5, conversation=7), pair(2, 1, 0.5, conversation=7), pair(2, 1, 0.1, conversation=8)]
        moments = replays(read(stored(talk), WHOLE)).cost.moments
        assert moments == Moments(3, 14.0, 116.0, -6.0, -84.0, 116.0, 26.0, 2)

    def test_conversation_across_segments_is_one_overall(self, stored: Stored) -> None:
        """It is in both segments, and overall it has all its turns."""
        talk = [pair(1, 4, feature="chat", conversation=7), pair(1, 4, feature="agents", conversation=7)]
        by_feature, overall = read(stored(talk), Scope(breakdowns=(("feature",),))).breakdowns
        each = [one.cost.moments.ww for one in by_feature.replays.values()]
        assert (each, overall.replays["ferry", ()].cost.moments.ww) == ([4.0, 4.0], 16.0)

    def test_a_conversation_counts_where_its_measure_is_known(self, stored: Stored) -> None:
        """A turn of unknown cost adds nothing to its conversation's weight."""
        talk = [pair(1, 4, conversation=7), pair(1, None, conversation=7), pair(None, 4, conversation=8)]
        moments = replays(read(stored(talk), WHOLE)).cost.moments
        assert (moments.conversations, moments.ww) == (1, 4.0)

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

    @pytest.mark.parametrize(
        ("outcome", "reason", "probability", "unprojected"),
        [
            (ReplayOutcome.SAMPLED_OUT, "not_drawn", 0.5, 0),
            (ReplayOutcome.SAMPLED_OUT, "not_drawn", 0.0, 1),
            (ReplayOutcome.SAMPLED_OUT, "asked_never", None, 1),
            (ReplayOutcome.WITHHELD, "consent", 0.5, 1),
            (ReplayOutcome.WITHHELD, "circuit_open", 0.5, 0),
            (ReplayOutcome.FAILED, "deadline", 0.5, 0),
            (ReplayOutcome.INELIGIBLE, "privacy", None, 0),
        ],
    )
    def test_what_had_no_chance_is_counted_apart(
        self, stored: Stored, outcome: ReplayOutcome, reason: str, probability: float | None, unprojected: int
    ) -> None:
        """A rate of 0 and refusals leave none; what was left out for the time being had one."""
        one = exchange()
        recorded = Recorded(one, observation(), (replay(one, outcome, reason, probability=probability),))
        found = replays(read(stored([recorded]), WHOLE))
        assert (found.unprojected, found.unprojected_nano) == (unprojected, unprojected * 1_000_000)

    def test_what_was_tried_has_its_weight(self, stored: Stored) -> None:
        """A failure at a chance of 0.1 stands for ten exchanges, whatever it is a failure of."""
        ones = [(exchange(), chance) for chance in (0.1, 0.5)]
        failed = (ReplayOutcome.FAILED, "deadline")
        recorded = [Recorded(one, observation(), (replay(one, *failed, probability=p),)) for one, p in ones]
        found = replays(read(stored([*recorded, pair(1, 1, 0.25), pair(None, None, 0.25)]), WHOLE))
        assert found.weights == {("failed", "deadline"): 12.0, ("completed", None): 8.0}

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
            cost_known=1,
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


class TestBundles:
    """Breakdowns that are grouped together."""

    @pytest.mark.parametrize("most", [1, 20, 10**6])
    def test_grouping_together_changes_no_sum(self, stored: Stored, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
        """However many are grouped at once, each comes out as it would alone."""
        by: tuple[tuple[Dimension, ...], ...] = (("tenant",), ("feature",), (), ("tenant", "model"))
        path = stored(mixed(300))
        monkeypatch.setattr(sums, "GROUPS_MAX", most)
        together = read(path, Scope(breakdowns=by)).breakdowns
        alone = [read(path, Scope(breakdowns=(one,))).breakdowns[0] for one in by]
        assert [_exact(one) for one in together] == [_exact(one) for one in alone]

    def test_grouping_together_keeps_conversations_whole(self, stored: Stored) -> None:
        """Turns in two features are one conversation of their tenant, on each arm, beside those in one feature."""
        talk = [
            *(pair(1, 4, feature=feature, conversation=7) for feature in ("chat", "agents")),
            *(pair(1, 4, feature="chat", conversation=8) for _ in range(2)),
            pair(1, 4),
        ]
        arms = [replace(one, ended=(*one.ended, replace(one.ended[0], arm="canal"))) for one in talk]
        by: tuple[tuple[Dimension, ...], ...] = (("tenant",), ("feature",))
        tenants, features, overall = read(stored(arms), Scope(breakdowns=by)).breakdowns
        moments = [found.replays["canal", key].cost.moments for found, key in ((tenants, ("acme",)), (overall, ()))]
        assert [(one.conversations, one.ww, one.wwxx) for one in moments] == [(3, 36.0, 324.0)] * 2
        assert {
            key: (one.cost.moments.conversations, one.cost.moments.ww) for key, one in features.replays.items()
        } == {
            (arm, (feature,)): found
            for arm in ("ferry", "canal")
            for feature, found in (("chat", (3, 24.0)), ("agents", (1, 4.0)))
        }


def _exact(breakdown: Breakdown) -> dict[object, object]:
    return {
        key: (
            one.outcomes,
            one.pairs,
            one.cost.primary_nano,
            one.cost.candidate_nano,
            one.total.moments.pairs,
            sorted(one.ttft.primary),
        )
        for key, one in breakdown.replays.items()
    }
