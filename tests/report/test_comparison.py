from collections import Counter
from dataclasses import replace
from decimal import Decimal

import pytest

from shadow.exchange import CONTROL
from shadow.faults import Fault
from shadow.report.comparison import Report, SegmentComparison, compare
from shadow.report.costs import Amount
from shadow.report.coverage import Unprojected
from shadow.report.estimates import Estimate, Unknown
from shadow.report.totals import (
    FAILED,
    OTHERS,
    PENDING,
    SIDES,
    UNAVAILABLE,
    Breakdown,
    Duration,
    Moments,
    Money,
    Replays,
    Scope,
    Segment,
    Totals,
    Traffic,
)

DAY_S = 86_400.0


def moments(pairs: int, x: float, primary: float = 0.0, w: float = 2.0) -> Moments:
    """So many pairs of equal weight and difference, each a draw of its own."""
    candidate, ww = primary + x, w * w * pairs
    return Moments(
        pairs,
        w * pairs,
        w * primary * pairs,
        w * candidate * pairs,
        ww,
        ww * primary,
        ww * candidate,
        ww * primary * primary,
        ww * primary * candidate,
        ww * candidate * candidate,
        pairs,
        ww,
    )


def replays(pairs: int = 100, primary: int = 1000, candidate: int = 400, **outcomes: int) -> Replays:
    """Pairs that cost the same each, in nano-dollars, among other outcomes."""
    cost = Money(pairs, pairs * primary, pairs * candidate, moments(pairs, candidate - primary, primary))
    counted = Counter({("completed", None): pairs, **{(name, "why"): number for name, number in outcomes.items()}})
    failed = outcomes.get("failed", 0)
    return Replays(
        counted,
        pairs=pairs,
        failures={name: failing(pairs + failed, failed) for name in (FAILED, UNAVAILABLE, "answer")},
        cost=cost,
        normalised=cost,
        ttft=Duration(),
        total=Duration(
            {0: 2.0}, {35: 2.0}, moments(pairs, 1.0), {(side, 0.5): failing(pairs, pairs) for side in SIDES}
        ),
    )


def failing(tried: int, failed: int, w: float = 2.0) -> Moments:
    """So many replays of equal weight, each a draw of its own, of which some failed."""
    ww = w * w
    return Moments(
        tried, w * tried, 0.0, w * failed, ww * tried, 0.0, ww * failed, cc=ww * failed, draws=tried, squares=ww * tried
    )


def totals(one: Replays, traffic: Traffic | None = None, length_s: float = 3 * DAY_S, since_s: float = 0.0) -> Totals:
    """One candidate, not broken down, configured `since_s` after the period's begin."""
    traffic = traffic or Traffic(exchanges=sum(one.outcomes.values()), calls=200, answered=190, errors=10)
    considered = {"ferry": (since_s, length_s)}
    return Totals([Breakdown((), {(): traffic}, {("ferry", ()): one})], 0.0, length_s, considered)


def overall(
    one: Replays, traffic: Traffic | None = None, length_s: float = 3 * DAY_S, since_s: float = 0.0
) -> SegmentComparison:
    return compare(totals(one, traffic, length_s, since_s), Scope(breakdowns=())).candidates[0].overall


class TestCost:
    """What a move would cost."""

    def test_sums_are_exact(self) -> None:
        """Nano-dollars become dollars digit by digit, and are not weighted."""
        cost = overall(replays(100, 12_345_678_901_234_567, 12_345_678_901_234_560)).cost
        assert (cost.primary_usd, cost.candidate_usd, cost.difference_usd) == (
            Decimal("1234567890.1234567"),
            Decimal("1234567890.1234560"),
            Decimal("-0.0000007"),
        )

    def test_ratio_is_of_the_sums(self) -> None:
        """400 for 1000 is 0.4, and 60 % less."""
        cost = overall(replays()).cost
        assert isinstance(cost.change, Estimate)
        assert (cost.ratio, cost.change.mean) == (0.4, pytest.approx(-0.6))

    def test_projection_is_for_the_eligible_exchanges(self) -> None:
        """600 nano-dollars less for each of 900 eligible among 1000, and ten times that in thirty days."""
        cost = overall(replays(100, sampled_out=800, ineligible=100)).cost
        less = [
            one.mean
            for one in (cost.mean_difference_usd, cost.projected_usd, cost.monthly_usd)
            if isinstance(one, Amount)
        ]
        assert less == [Decimal("-6e-7"), Decimal("-5.4e-4"), Decimal("-5.4e-3")]

    def test_no_month_out_of_half_a_day(self) -> None:
        """Traffic has a daily course; what is left is the period itself."""
        cost = overall(replays(), length_s=DAY_S / 2).cost
        assert isinstance(cost.projected_usd, Amount)
        assert cost.monthly_usd == Unknown("less than a day of traffic")

    def test_late_candidate_is_projected_over_all_traffic(self) -> None:
        """Configured for the last 2 of 10 days of even traffic: thirty days are 15 times what it was considered for."""
        found = overall(replays(100, sampled_out=100), Traffic(exchanges=1000), 10 * DAY_S, 8 * DAY_S).cost
        assert isinstance(found.monthly_usd, Amount)
        assert found.monthly_usd.mean == 15 * 200 * Decimal("-6e-7")

    def test_no_month_out_of_a_candidates_first_hours(self) -> None:
        """It is the candidate's own time that must have seen a day."""
        found = overall(replays(100), Traffic(exchanges=1000), 10 * DAY_S, 9.5 * DAY_S).cost
        assert found.monthly_usd == Unknown("less than a day of traffic")

    def test_what_had_no_chance_is_not_projected(self) -> None:
        """300 of 1,000 eligible exchanges could not be drawn: 700 are projected, and the rest are said."""
        one = replace(
            replays(100, sampled_out=900), unprojected=300, unprojected_cost_known=300, unprojected_nano=3 * 10**9
        )
        found = overall(one)
        assert isinstance(found.cost.projected_usd, Amount)
        assert found.cost.projected_usd.mean == 700 * Decimal("-6e-7")
        assert found.unprojected == Unprojected(300, Decimal(3))

    def test_thin_pairs_are_summed_but_not_projected(self) -> None:
        """A sum over five pairs is a fact; a mean of the traffic is not to be had from them."""
        cost = overall(replays(5)).cost
        thin = Unknown("fewer than 30 pairs")
        assert (cost.ratio, cost.change, cost.mean_difference_usd, cost.monthly_usd) == (0.4, thin, thin, thin)

    def test_no_pairs_cost_nothing_known(self) -> None:
        """Never zero."""
        cost = overall(replays(0, sampled_out=5)).cost
        assert {cost.primary_usd, cost.candidate_usd, cost.difference_usd, cost.ratio} == {Unknown("no pairs")}

    def test_unknown_costs_are_named_as_the_reason(self) -> None:
        """There are pairs, and what they cost is not known."""
        one = replace(replays(50), cost=Money(), cost_unknown=50)
        cost = overall(one).cost
        assert (cost.primary_usd, cost.excluded) == (Unknown("the cost is unknown"), 50)

    def test_free_primary_has_no_ratio(self) -> None:
        """Anything is infinitely more than nothing."""
        assert overall(replays(100, 0, 5)).cost.ratio == Unknown("the primary's cost is zero")

    def test_uncached_leaves_out_its_own_unknowns(self) -> None:
        """A pair may have a cost and no normalised one."""
        one = replace(replays(100), normalised=Money(90, 900, 90, moments(90, -9, 10)))
        assert (overall(one).uncached.pairs, overall(one).uncached.excluded) == (90, 10)


class TestLatency:
    """How fast it would be."""

    def test_mean_difference_is_paired(self) -> None:
        """A second more in every pair is a second more, without doubt."""
        assert overall(replays()).total.mean_difference_s == Estimate(1.0, 1.0, 1.0)

    def test_quantiles_of_both_arms(self) -> None:
        """From histograms of the same pairs; p99 needs more of them."""
        total = overall(replays()).total
        medians = [one.mean for one in total.at(0.5) if isinstance(one, Estimate)]
        assert medians == [pytest.approx(1.02**0.5), pytest.approx(1.02**35.5)]
        assert total.at(0.99) == (Unknown("fewer than 1000 pairs"),) * 2

    def test_unknown_first_token(self) -> None:
        """No stream, no first token."""
        assert overall(replays()).ttft.mean_difference_s == Unknown("no pairs")


class TestErrors:
    """How reliable it would be."""

    def test_primary_is_judged_by_its_calls(self) -> None:
        """Cancelled calls are neither errors nor answers."""
        traffic = Traffic(exchanges=300, calls=120, answered=95, errors=5, cancelled=20)
        errors = overall(replays(), traffic).primary_errors
        assert (errors.errors, errors.calls, errors.aside) == (5, 100, 20)
        assert errors.rate == Estimate(0.05, pytest.approx(0.0215, abs=1e-4), pytest.approx(0.1118, abs=1e-4))

    def test_primary_errors_are_split(self) -> None:
        """By whose fault they are; a request that no arm would take leaves the primary available."""
        traffic = Traffic(calls=200, answered=190, errors=10)
        traffic.error_kinds.update({"overloaded": 4, "invalid_request": 6})
        errors = overall(replays(), traffic).primary_errors
        assert [(one.fault, one.errors) for one in errors.faults] == [(Fault.REQUEST, 6), (Fault.CAPACITY, 4)]
        assert isinstance(errors.availability, Estimate)
        assert errors.availability.mean == 0.98

    def test_candidate_is_judged_by_what_was_tried(self) -> None:
        """Failed among failed and completed; what the sidecar did itself is set aside."""
        one = replays(90, withheld=7, dropped=7, sampled_out=7, failed=10)
        one.outcomes["failed", "interrupted"] = 4
        errors = overall(one).candidate_errors
        assert (errors.errors, errors.calls, errors.aside) == (10, 100, 4)
        assert isinstance(errors.rate, Estimate)
        assert errors.rate.mean == 0.1

    def test_failures_weigh_what_they_stand_for(self) -> None:
        """Nine failures at a rate of 0.9 among 90 calls are one per cent of traffic drawn mostly at 0.1."""
        one = replays(90)
        one.outcomes["failed", "deadline"] = 10
        one.failures[FAILED] = Moments(
            100, 1000.0, 0.0, 10.0, 10_000.0, wc=100.0, cc=100.0, draws=100, squares=10_000.0
        )
        rate = overall(one).candidate_errors.rate
        assert isinstance(rate, Estimate)
        assert rate.mean == 0.01

    def test_what_was_not_tried_for_the_failing_is_said(self) -> None:
        """An open circuit and a pause that was asked for are the candidate's; an operator's pause is not."""
        one = replays(90)
        one.outcomes.update(
            {("withheld", "circuit_open"): 70, ("withheld", "retry_after"): 5, ("withheld", "paused"): 9}
        )
        assert overall(one).candidate_errors.untried == 75

    def test_faults_that_did_not_occur_are_not_listed(self) -> None:
        """And nothing that failed for the sidecar's own sake is among them."""
        one = replays(90, failed=10)
        one.outcomes["failed", "interrupted"] = 4
        assert [(found.fault, found.errors) for found in overall(one).candidate_errors.faults] == [(Fault.ANSWER, 10)]

    def test_more_errors_is_the_difference_of_the_rates(self) -> None:
        """10 % of the replays, 5 % of the calls: 5 points more, give or take."""
        traffic = Traffic(exchanges=300, calls=100, answered=95, errors=5)
        more = overall(replays(90, failed=10), traffic).more_errors
        assert isinstance(more, Estimate)
        assert more.mean == pytest.approx(0.05)
        assert more.low < 0 < more.high


class TestAnswers:
    """How far answers differ, and how far that is above noise."""

    def test_control_is_the_floor(self) -> None:
        """30 % of the candidate's answers end otherwise and 20 % of the control's: 10 points are its own."""
        totals_ = totals(replace(replays(), agreement={"finish_reason": failing(100, 30)}))
        totals_.breakdowns[0].replays[CONTROL, ()] = Replays(agreement={"finish_reason": failing(100, 20)})
        report = compare(totals_, Scope(breakdowns=()))
        [found] = report.candidates[0].overall.disagreements
        assert (found.floor, found.control_pairs, found.primary) == ("control", 100, None)
        assert isinstance(found.excess, Estimate)
        assert found.excess.mean == pytest.approx(0.1)
        assert report.control is not None

    def test_without_a_control_nobody_knows_the_noise(self) -> None:
        """What differs is said, and how much of it is the candidate's is not known."""
        [found] = overall(replace(replays(), agreement={"text": failing(100, 30)})).disagreements
        assert (found.floor, found.excess) == (None, Unknown("no control"))
        assert isinstance(found.candidate, Estimate)

    def test_validity_is_held_against_the_primarys_own(self) -> None:
        """Of the same requests, where there is no control: 30 invalid answers beside 30 are none too many."""
        both = failing(100, 30)
        both.p, both.pp, both.pc, both.wp = both.c, both.cc, both.cc, both.wc
        [found] = overall(replace(replays(), agreement={"json": both})).disagreements
        assert (found.floor, found.excess) == ("primary", Estimate(0.0, 0.0, 0.0))
        assert isinstance(found.primary, Estimate)
        assert found.primary.mean == pytest.approx(0.3)

    def test_control_is_no_candidate(self) -> None:
        """Unless it is asked for by name."""
        both = totals(replays())
        both.breakdowns[0].replays[CONTROL, ()] = replays()
        asked = [compare(both, Scope(candidate=name, breakdowns=())).candidates for name in (None, "ferry", CONTROL)]
        assert [[one.arm for one in found] for found in asked] == [["ferry"], ["ferry"], [CONTROL]]


class TestCoverage:
    """Every exchange is accounted for."""

    def test_counts_add_up(self) -> None:
        """Exchanges, eligible and drawn are the sums of their parts."""
        one = replays(10, ineligible=1, sampled_out=2, withheld=3, dropped=4, failed=5)
        one.outcomes[PENDING, None] = 6
        found = overall(one, Traffic(exchanges=40)).coverage
        assert (found.unconsidered, found.eligible, found.drawn) == (9, 30, 28)
        assert found.exchanges == found.unconsidered + found.ineligible + found.eligible
        assert found.drawn == found.withheld + found.dropped + found.pending + found.failed + found.completed

    def test_reasons_come_most_frequent_first(self) -> None:
        """In the order in which a request meets them, then by number."""
        one = replays(1, failed=1)
        one.outcomes.update({("ineligible", "preset"): 2, ("ineligible", "privacy"): 9})
        assert overall(one).coverage.reasons == (
            ("ineligible", "privacy", 9),
            ("ineligible", "preset", 2),
            ("failed", "why", 1),
        )


class TestSegments:
    """The same, broken down."""

    @pytest.fixture
    def report(self) -> Report:
        found: dict[Segment | str, int] = {("acme",): 60, (None,): 30, OTHERS: 10}
        breakdown = Breakdown(
            ("tenant",),
            {segment: Traffic(exchanges=number) for segment, number in found.items()},
            {("ferry", segment): replays(number) for segment, number in found.items()},
            merged=4,
        )
        whole = Breakdown((), {(): Traffic(exchanges=100)}, {("ferry", ()): replays(100)})
        return compare(Totals([breakdown, whole], 0.0, DAY_S), Scope())

    def test_overall_is_a_breakdown_of_its_own(self, report: Report) -> None:
        """Segments cannot be added up to it: conversations cross them."""
        assert (report.traffic.exchanges, report.candidates[0].overall.cost.pairs) == (100, 100)

    def test_each_has_its_own_figures(self, report: Report) -> None:
        """In the order of their traffic, the others last."""
        table = report.candidates[0].tables[0]
        assert [(one.segment, one.cost.pairs) for one in table.segments] == [
            (("acme",), 60),
            ((None,), 30),
            (OTHERS, 10),
        ]
        assert (table.dimensions, table.merged) == (("tenant",), 4)

    def test_segment_without_replays_of_an_arm(self) -> None:
        """It is listed, with nothing known of it."""
        traffic: dict[Segment | str, Traffic] = {("a",): Traffic(exchanges=2), ("b",): Traffic(exchanges=1)}
        breakdown = Breakdown(("tenant",), traffic, {("ferry", ("a",)): replays(2)})
        whole = Breakdown((), {(): Traffic(exchanges=3)}, {("ferry", ()): replays(2)})
        other = compare(Totals([breakdown, whole], 0.0, DAY_S), Scope()).candidates[0].tables[0].segments[1]
        assert (other.coverage.unconsidered, other.cost.ratio) == (1, Unknown("no pairs"))


def test_spending_of_unknown_cost_is_unknown() -> None:
    """A sum over no call is not zero dollars."""
    spent = [
        compare(totals(replays(), traffic), Scope()).spent_usd
        for traffic in (Traffic(1, 1), Traffic(1, 1, cost_known=1))
    ]
    assert spent == [Unknown("no call of known cost"), Decimal(0)]


def test_nothing_recorded() -> None:
    """A report of nothing is a report."""
    report = compare(Totals([Breakdown(())]), Scope())
    assert (report.first_at, report.length_s, report.candidates) == (None, 0.0, ())
