from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from shadow.exchange import Agreement, Observation, Outcome, Pending, Recorded, ReplayOutcome, Timings
from shadow.report.totals import (
    DRAWS,
    FAILED,
    PENDING,
    UNAVAILABLE,
    Breakdown,
    Dimension,
    Moments,
    Replays,
    Scope,
    Totals,
    Traffic,
)
from shadow.store.aggregates import read
from shadow.store.buckets import bucket
from shadow.store.summed import COST_MOST
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
        cost = replays(read(stored([*(pair(COST_MOST, 1) for _ in range(1000)), pair(1, 3)]), WHOLE)).cost
        assert (cost.pairs, cost.primary_nano, cost.candidate_nano) == (1001, 10**16 + 1, 1003)

    def test_cost_beyond_belief_is_unknown(self, stored: Stored) -> None:
        """No call costs more than ten thousand dollars, and sums must not overflow for one that says so."""
        found = read(stored([pair(COST_MOST + 1, 1), pair(2, 3)]), WHOLE)
        assert (replays(found).cost.pairs, replays(found).primary_cost_unknown, traffic(found).cost_nano) == (1, 1, 2)

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
        """1 and 4 with weight 2, 2 and 1 with weight 10."""
        moments = replays(read(stored([pair(1, 4, 0.5, 1), pair(2, 1, 0.1, 2)]), WHOLE)).cost.moments
        products = [4.0 + 100.0, 4.0 + 200.0, 16.0 + 100.0, 4.0 + 400.0, 16.0 + 200.0, 64.0 + 100.0]
        assert moments == Moments(2, 12.0, 22.0, 18.0, *products, 2, 104.0)

    def test_moments_of_the_second_order_are_of_conversations(self, stored: Stored) -> None:
        """Two turns with weight 2 are one of W = 4, P = 6 and C = 10; a single one has W = 10, P = 20 and C = 10."""
        talk = [pair(1, 4, 0.5, conversation=7), pair(2, 1, 0.5, conversation=7), pair(2, 1, 0.1, conversation=8)]
        moments = replays(read(stored(talk), WHOLE)).cost.moments
        products = [16.0 + 100.0, 24.0 + 200.0, 40.0 + 100.0, 36.0 + 400.0, 60.0 + 200.0, 100.0 + 100.0]
        assert moments == Moments(3, 14.0, 26.0, 20.0, *products, 2, 108.0)

    def test_draws_are_groups_of_conversations(self, stored: Stored) -> None:
        """So many that a conversation seldom shares one, and no more than can be added up."""
        talk = [pair(1, 4, 0.5, conversation=7), pair(1, 4, 0.5, conversation=7 + DRAWS)]
        moments = replays(read(stored(talk), WHOLE)).cost.moments
        assert (moments.draws, moments.ww) == (1, 16.0)

    def test_exchange_without_a_conversation_is_a_draw_by_itself(self, stored: Stored) -> None:
        """By its own id, which is random: thirty of them are in many draws."""
        assert replays(read(stored([pair(1, 4) for _ in range(30)]), WHOLE)).cost.moments.draws > 15

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
        assert (moments.draws, moments.ww) == (1, 4.0)

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
        assert said == [{bucket(value): 4.0} for value in (2.0, 0.01, 0.5, 0.005)]

    def test_seconds_per_token_are_a_duration_like_others(self, stored: Stored) -> None:
        """Moments and histograms of both arms."""
        slow, fast = (replace(observation(), timings=Timings(tpot_s=value)) for value in (0.02, 0.01))
        one = exchange()
        found = replays(read(stored([Recorded(one, slow, (replay(one, seen=fast),))]), WHOLE)).tpot
        assert (found.primary, found.candidate) == ({bucket(0.02): 2.0}, {bucket(0.01): 2.0})
        assert (found.moments.p, found.moments.c) == (pytest.approx(0.04), pytest.approx(0.02))

    def test_what_is_below_a_quantile_is_told_by_draws(self, stored: Stored) -> None:
        """Of three pairs, 1, 2 and 3 s at the primary, two are not above the median's bucket."""
        ones = [exchange(total_s=value) for value in (1.0, 2.0, 3.0)]
        recorded = [Recorded(one, observation(), (replace(replay(one), conversation=n),)) for n, one in enumerate(ones)]
        below = replays(read(stored(recorded), WHOLE)).total.below["primary", 0.5]
        assert (below.pairs, below.w, below.c, below.wc, below.cc, below.draws) == (3, 6.0, 4.0, 8.0, 8.0, 3)

    def test_durations_differ_by_pair(self, stored: Stored) -> None:
        """The moments are of seconds, not of their buckets."""
        found = replays(read(stored([pair(1, 1)]), WHOLE))  # 3 s against 2 s, which stand for two
        assert (found.total.moments.p, found.total.moments.c, found.total.moments.pairs) == (4.0, 6.0, 1)

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

    def test_failures_have_their_weight_by_fault(self, stored: Stored) -> None:
        """A failure at a chance of 0.1 stands for ten exchanges; what the sidecar did itself for none."""
        ends = [("deadline", 0.1), ("deadline", 0.5), ("param_rejected", 0.5), ("interrupted", 0.1), ("new", 0.5)]
        ones = [(exchange(), *end) for end in ends]
        recorded = [
            Recorded(one, observation(), (replay(one, ReplayOutcome.FAILED, reason, probability=p),))
            for one, reason, p in ones
        ]
        found = replays(read(stored([*recorded, pair(1, 1, 0.25), pair(None, None, 0.25)]), WHOLE))
        assert {name: (one.pairs, one.w, one.c) for name, one in found.failures.items()} == {
            FAILED: (6, 24.0, 16.0),
            UNAVAILABLE: (6, 24.0, 14.0),
            "capacity": (6, 24.0, 12.0),
            "request": (6, 24.0, 2.0),
            "answer": (6, 24.0, 2.0),
        }

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
            error_kinds=Counter({"overloaded": 1, "unknown": 1}),
        )

    def test_exchanges_without_a_replay_are_traffic(self, stored: Stored) -> None:
        """Nothing is known of an arm that was not configured."""
        assert read(stored([Recorded(exchange(), observation())]), WHOLE).arms == ()

    def test_empty_store_has_no_period(self, stored: Stored) -> None:
        """No exchange, no figures, no error."""
        totals = read(stored([]), Scope())
        assert (totals.first_at, totals.last_at, totals.breakdowns[0].traffic) == (None, None, {})


class TestAgreement:
    """How far the answers of pairs differ."""

    @pytest.mark.parametrize(
        ("agreement", "measure", "primary", "candidate"),
        [
            (Agreement(finish_reason_same=False), "finish_reason", 0.0, 2.0),
            (Agreement(finish_reason_same=True), "finish_reason", 0.0, 0.0),
            (Agreement(tool_names_same=False, tool_calls_same=False), "tool_names", 0.0, 2.0),
            (Agreement(tool_names_same=True, tool_calls_same=False), "tool_arguments", 0.0, 2.0),
            (Agreement(tool_names_same=True, tool_calls_same=True), "tool_arguments", 0.0, 0.0),
            (Agreement(primary_json_valid=True, json_valid=False), "json", 0.0, 2.0),
            (Agreement(primary_json_valid=False, json_valid=True), "json", 2.0, 0.0),
            (Agreement(primary_schema_valid=False, schema_valid=False), "schema", 2.0, 2.0),
            (Agreement(primary_refused=False, refused=True), "refusal", 0.0, 2.0),
            (Agreement(text_similarity=0.75), "text", 0.0, 0.5),
        ],
    )
    def test_measures_are_how_much_is_wrong(
        self, stored: Stored, agreement: Agreement, measure: str, primary: float, candidate: float
    ) -> None:
        """Of the primary's answer and the candidate's, each times the pair's weight of 2."""
        one = exchange()
        recorded = Recorded(one, observation(), (replace(replay(one), agreement=agreement),))
        found = replays(read(stored([recorded]), WHOLE)).agreement[measure]
        assert (found.pairs, found.w, found.p, found.c) == (1, 2.0, primary, candidate)

    @pytest.mark.parametrize(
        "agreement",
        [
            Agreement(),
            Agreement(json_valid=True),
            Agreement(primary_refused=True),
            Agreement(tool_names_same=False, tool_calls_same=False),
        ],
    )
    def test_questions_that_do_not_arise_are_in_no_measure(self, stored: Stored, agreement: Agreement) -> None:
        """Arguments are compared where names agree; what is asked of each answer, where both tell."""
        one = exchange()
        recorded = Recorded(one, observation(), (replace(replay(one), agreement=agreement),))
        assert set(replays(read(stored([recorded]), WHOLE)).agreement) <= {"tool_names"}


class TestBreakdowns:
    """Breakdowns that are read together."""

    def test_reading_together_changes_no_sum(self, stored: Stored) -> None:
        """However many are read at once, each comes out as it would alone."""
        by: tuple[tuple[Dimension, ...], ...] = (("tenant",), ("feature",), (), ("tenant", "model"))
        path = stored(mixed(300))
        together = read(path, Scope(breakdowns=by)).breakdowns
        alone = [read(path, Scope(breakdowns=(one,))).breakdowns[0] for one in by]
        assert [_exact(one) for one in together] == [_exact(one) for one in alone]

    def test_turns_in_two_features_are_one_draw_of_their_tenant(self, stored: Stored) -> None:
        """On each arm, beside conversations in one feature."""
        talk = [
            *(pair(1, 4, feature=feature, conversation=7) for feature in ("chat", "agents")),
            *(pair(1, 4, feature="chat", conversation=8) for _ in range(2)),
            pair(1, 4, conversation=9),
        ]
        arms = [replace(one, ended=(*one.ended, replace(one.ended[0], arm="canal"))) for one in talk]
        by: tuple[tuple[Dimension, ...], ...] = (("tenant",), ("feature",))
        tenants, features, overall = read(stored(arms), Scope(breakdowns=by)).breakdowns
        moments = [found.replays["canal", key].cost.moments for found, key in ((tenants, ("acme",)), (overall, ()))]
        assert [(one.draws, one.ww) for one in moments] == [(3, 36.0)] * 2
        assert {key: (one.cost.moments.draws, one.cost.moments.ww) for key, one in features.replays.items()} == {
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
