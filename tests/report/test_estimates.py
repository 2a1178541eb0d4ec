import random
from math import sqrt
from statistics import mean as plain_mean
from statistics import stdev

import pytest

from shadow.report.estimates import (
    Estimate,
    Unknown,
    apart,
    change,
    conversations,
    difference,
    effective,
    excess,
    quantile,
    rate,
    share,
    student_t,
    telling,
    wilson,
)
from shadow.report.totals import DRAWS, Moments

Replay = tuple[float, float, float]  # weight, the primary's value, the candidate's


def moments(replays: list[tuple[float, float]]) -> Moments:
    """The sums over (weight, candidate's value), each a draw of its own; the primary's values are zero."""
    return drawn([[(w, 0.0, x)] for w, x in replays])


def drawn(draws: list[list[Replay]]) -> Moments:
    """The sums over draws of (weight, primary's value, candidate's)."""
    sums = [(sum(w for w, _, _ in one), sum(w * p for w, p, _ in one), sum(w * c for w, _, c in one)) for one in draws]
    return Moments(
        sum(map(len, draws)),
        *(sum(one[at] for one in sums) for at in range(3)),
        *(sum(one[a] * one[b] for one in sums) for a, b in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))),
        draws=len(sums),
        squares=sum(w * w for one in draws for w, _, _ in one),
    )


def known(estimate: Estimate | Unknown) -> Estimate:
    assert isinstance(estimate, Estimate)
    return estimate


class TestDifferences:
    """Means of differences."""

    def test_equal_weights_give_the_textbook_interval(self) -> None:
        """Mean ± t · s / √n, whatever the common weight is."""
        values = [float(n % 7) for n in range(50)]
        found = known(difference(moments([(20.0, x) for x in values])))
        half = 2.00957 * stdev(values) / sqrt(50)
        assert (found.mean, found.low, found.high) == pytest.approx(
            (plain_mean(values), plain_mean(values) - half, plain_mean(values) + half), rel=1e-4
        )

    def test_weights_undo_unequal_sampling(self) -> None:
        """Fifty pairs for a hundred exchanges of 1 and fifty for a thousand of 3: the mean is nearer to 3."""
        found = known(difference(moments([(2.0, 1.0)] * 50 + [(20.0, 3.0)] * 50)))
        assert found.mean == pytest.approx((100 * 1 + 1000 * 3) / 1100)

    def test_what_pairs_have_in_common_widens_nothing(self) -> None:
        """Both arms' costs vary a hundredfold, their difference does not."""
        found = known(difference(drawn([[(1.0, float(10**n), 10.0**n + 1)] for n in range(3)] * 20)))
        assert (found.low, found.high) == (pytest.approx(1.0), pytest.approx(1.0))

    def test_constant_difference_has_no_width(self) -> None:
        """Rounding never makes a variance negative."""
        found = known(difference(moments([(1 / p, -1e9 / 3) for p in (0.05, 0.5, 0.9) for _ in range(20)])))
        assert found.high - found.low == pytest.approx(0, abs=10)

    def test_unequal_weights_are_worth_fewer(self) -> None:
        """One that outweighs all others leaves little more than itself."""
        assert effective(moments([(1.0, 0.0)] * 99 + [(100.0, 0.0)])) == pytest.approx(199**2 / 10_099)

    @pytest.mark.parametrize(("pairs", "reason"), [(0, "no pairs"), (29, "fewer than 30 pairs")])
    def test_too_few_pairs_give_no_estimate(self, pairs: int, reason: str) -> None:
        """A number is withheld, and the reason stands in its place."""
        some = moments([(1.0, 1.0)] * pairs)
        assert difference(some) == change(some) == Unknown(reason)

    def test_many_pairs_of_few_conversations_give_no_estimate(self) -> None:
        """A thousand turns of one conversation are one draw."""
        assert difference(drawn([[(1.0, 0.0, 1.0)] * 1000])) == Unknown("fewer than 30 conversations")

    def test_turns_that_are_all_alike_add_nothing(self) -> None:
        """Twenty equal turns of each of forty conversations say as much as one of each."""
        values = [float(n % 7) for n in range(40)]
        once, often = (difference(drawn([[(5.0, 0.0, x)] * turns for x in values])) for turns in (1, 20))
        assert (known(often).low, known(often).high) == pytest.approx((known(once).low, known(once).high))


class TestChanges:
    """Ratios of sums."""

    def test_change_is_weighted(self) -> None:
        """−3 and −1 on 10 and 10, the first standing for three times as many."""
        assert known(change(drawn([[(3.0, 10.0, 7.0)], [(1.0, 10.0, 9.0)]] * 20))).mean == pytest.approx(-0.25)

    def test_change_that_is_the_same_everywhere_has_no_width(self) -> None:
        """A quarter less in every pair is a quarter less, however uneven the costs."""
        found = known(change(drawn([[(1.0, 10.0**n, 7.5 * 10.0 ** (n - 1))] for n in range(4)] * 20)))
        assert (found.low, found.high) == (pytest.approx(-0.25), pytest.approx(-0.25))

    def test_change_of_nothing_is_unknown(self) -> None:
        """A share of zero is no number."""
        assert change(moments([(1.0, 1.0)] * 40)) == Unknown("the primary's cost is zero")

    def test_one_pair_that_is_all_of_the_cost_tells_nothing(self) -> None:
        """Where the primary's own sum might be anything, so might the ratio."""
        one = drawn([[(1.0, 1e9, 1e9)], *([(1.0, 1.0, 1.0)] for _ in range(40))])
        assert change(one) == Unknown("too few conversations for so uneven costs")


class TestShares:
    """Rates of errors, and how often answers differ."""

    @pytest.mark.parametrize(
        ("count", "of", "low", "high"), [(0, 10, 0.0, 0.2775), (5, 100, 0.0215, 0.1118), (10, 10, 0.7225, 1.0)]
    )
    def test_simple_counts_have_wilsons_interval(self, count: int, of: int, low: float, high: float) -> None:
        """The tabulated values; none of ten is not surely none."""
        assert rate(count, of) == Estimate(count / of, pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))

    def test_rates_need_calls(self) -> None:
        """None of nothing is not 0 %, and one of three not 33 %."""
        assert [rate(0, 0), rate(1, 3)] == [Unknown("no calls"), Unknown("fewer than 10 calls")]
        assert share(moments([(1.0, 1.0)] * 9)) == Unknown("fewer than 10 calls")

    def test_equal_weights_tell_as_much_as_their_number(self) -> None:
        """Two hundred replays are about two hundred; Student's t takes a little off."""
        assert telling(moments([(7.0, float(n % 4 == 0)) for n in range(120)])) == pytest.approx(120, rel=0.1)

    def test_weights_and_conversations_tell_less(self) -> None:
        """Ten turns that end alike tell as much as one."""
        alike = drawn([[(1.0, 0.0, float(n % 4 == 0))] * 10 for n in range(120)])
        assert telling(alike) == pytest.approx(120, rel=0.1)

    def test_none_among_many_is_told_by_their_number(self) -> None:
        """Nothing failed: the upper limit is that of so many replays of unequal weight."""
        found = known(share(drawn([[(1.0, 0.0, 0.0)] * 100 for _ in range(100)])))
        assert (found.mean, found.high) == (0.0, pytest.approx(3.84 / 10_000, rel=0.01))

    def test_difference_of_two_samples(self) -> None:
        """Newcombe's example: 56 of 70 and 48 of 80 differ by 0.2 (0.0524 to 0.3339)."""
        found = apart(wilson(56 / 70, 70), wilson(48 / 80, 80))
        assert (found.mean, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)

    def test_excess_is_above_the_controls_noise(self) -> None:
        """A quarter differs at the candidate, a fifth at the control."""
        ones, others = (moments([(2.0, float(n % every == 0)) for n in range(100)]) for every in (4, 5))
        assert known(excess(ones, others)).mean == pytest.approx(0.05)
        assert excess(ones, Moments()) == Unknown("no calls")


class TestQuantiles:
    """Read off histograms."""

    @pytest.mark.parametrize(("at", "needed"), [(0.5, 20), (0.9, 100), (0.99, 1000)])
    def test_quantile_needs_values_beyond_it(self, at: float, needed: int) -> None:
        """With fewer than five of them the quantile is somebody's bad day."""
        below = moments([(1.0, float(n < at * 2000)) for n in range(2000)])
        assert isinstance(quantile({0: 1.0}, needed, at, below), Estimate)
        assert quantile({0: 1.0}, needed - 1, at, below) == Unknown(f"fewer than {needed} pairs")

    def test_few_pairs_that_outweigh_all_others_give_no_far_quantile(self) -> None:
        """A thousand pairs, of which ten stand for most of the traffic."""
        below = moments([(1000.0 if n < 10 else 1.0, float(n % 20 > 0)) for n in range(1000)])
        assert quantile({0: 1.0}, 1000, 0.95, below) == Unknown("too unequal weights for p95")

    def test_turns_that_are_slow_together_widen_the_interval(self) -> None:
        """Fifty turns of each of forty conversations: what is slow is two of them."""
        weights = dict.fromkeys(range(100), 20.0)
        apart_, together = (
            known(quantile(weights, 2000, 0.9, drawn(draws)))
            for draws in (
                [[(1.0, 0.0, float(n % 10 > 0)) for n in range(50)] for _ in range(40)],
                [[(1.0, 0.0, float(n > 3))] * 50 for n in range(40)],
            )
        )
        assert together.high / together.low > 1.2 * apart_.high / apart_.low

    def test_interval_is_that_of_the_share_below(self) -> None:
        """A hundred equal pairs over a hundred buckets: half of them ± ten."""
        found = known(
            quantile(dict.fromkeys(range(100), 1.0), 100, 0.5, moments([(1.0, float(n < 50)) for n in range(100)]))
        )
        assert (found.mean, found.low, found.high) == pytest.approx((1.02**50, 1.02**40.3, 1.02**59.7), rel=0.02)

    def test_quantile_of_nothing(self) -> None:
        """No pairs, no quantile."""
        assert quantile({}, 0, 0.5, None) == Unknown("no pairs")


@pytest.mark.parametrize(("degrees", "point"), [(9, 2.2622), (29, 2.0452), (120, 1.9799), (1e9, 1.9600)])
def test_points_of_student_t(degrees: float, point: float) -> None:
    """The tabulated values."""
    assert student_t(degrees) == pytest.approx(point, abs=5e-4)


def test_conversations_are_estimated_from_the_draws_they_are_in() -> None:
    """Few have draws of their own; many share them, and past a number nobody can tell."""
    chance = random.Random(3)  # noqa: S311 (a simulation)
    for number in (5, 30, 200):
        found = plain_mean(conversations(len({chance.randrange(DRAWS) for _ in range(number)})) for _ in range(200))
        assert found == pytest.approx(number, rel=0.05)
    assert conversations(DRAWS) > 600
