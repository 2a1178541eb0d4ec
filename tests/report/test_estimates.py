import random
from math import exp, sqrt
from statistics import mean as plain_mean
from statistics import stdev

import pytest

from shadow.report.estimates import Estimate, Unknown, effective, mean, quantile, rate, relative, student_t
from shadow.report.totals import Moments


def moments(pairs: list[tuple[float, float]]) -> Moments:
    """The sums over (weight, x), each a conversation of its own."""
    return clustered([[pair] for pair in pairs])


def clustered(conversations: list[list[tuple[float, float]]]) -> Moments:
    """The sums over conversations of (weight, x)."""
    sums = [(sum(w for w, _ in one), sum(w * x for w, x in one)) for one in conversations]
    return Moments(
        sum(map(len, conversations)),
        sum(w for w, _ in sums),
        sum(w * w for w, _ in sums),
        sum(wx for _, wx in sums),
        sum(w * wx for w, wx in sums),
        sum(wx * wx for _, wx in sums),
        conversations=len(sums),
    )


def known(estimate: Estimate | Unknown) -> Estimate:
    assert isinstance(estimate, Estimate)
    return estimate


def test_equal_weights_give_the_textbook_interval() -> None:
    """Mean ± t · s / √n, whatever the common weight is."""
    values = [float(n % 7) for n in range(50)]
    found = known(mean(moments([(20.0, x) for x in values])))
    half = 2.00957 * stdev(values) / sqrt(50)
    assert (found.mean, found.low, found.high) == pytest.approx(
        (plain_mean(values), plain_mean(values) - half, plain_mean(values) + half), rel=1e-4
    )


def test_weights_undo_unequal_sampling() -> None:
    """Fifty pairs for a hundred exchanges of 1 and fifty for a thousand of 3: the mean is nearer to 3."""
    found = known(mean(moments([(2.0, 1.0)] * 50 + [(20.0, 3.0)] * 50)))
    assert found.mean == pytest.approx((100 * 1 + 1000 * 3) / 1100)


def test_unequal_weights_are_worth_fewer_pairs() -> None:
    """A pair that outweighs all others leaves little more than itself."""
    assert effective(moments([(1.0, 0.0)] * 99 + [(100.0, 0.0)])) == pytest.approx(199**2 / 10_099)


def test_constant_difference_has_no_width() -> None:
    """Rounding never makes a variance negative."""
    found = known(mean(moments([(1 / p, -1e9 / 3) for p in (0.05, 0.5, 0.9) for _ in range(20)])))
    assert found.high - found.low == pytest.approx(0, abs=10)


@pytest.mark.parametrize(("pairs", "reason"), [(0, "no pairs"), (29, "fewer than 30 pairs")])
def test_too_few_pairs_give_no_estimate(pairs: int, reason: str) -> None:
    """A number is withheld, and the reason stands in its place."""
    assert mean(moments([(1.0, 1.0)] * pairs)) == relative(moments([(1.0, 1.0)] * pairs)) == Unknown(reason)


def test_many_pairs_of_few_conversations_give_no_estimate() -> None:
    """A thousand turns of one conversation are one draw."""
    assert mean(clustered([[(1.0, 1.0)] * 1000])) == Unknown("fewer than 30 conversations")


def test_turns_that_are_all_alike_add_nothing() -> None:
    """Twenty equal turns of each of forty conversations say as much as one of each."""
    values = [float(n % 7) for n in range(40)]
    once, often = (mean(clustered([[(5.0, x)] * turns for x in values])) for turns in (1, 20))
    assert (known(often).low, known(often).high) == pytest.approx((known(once).low, known(once).high))


def test_relative_change_is_weighted() -> None:
    """−3 and −1 on 10 and 10, the first standing for three times as many."""
    some = moments([(3.0, -3.0), (1.0, -1.0)] * 20)
    some.w_primary = 20 * (3 * 10.0 + 1 * 10.0)
    assert relative(some) == pytest.approx(-0.25)


def test_change_of_nothing_is_unknown() -> None:
    """A share of zero is no number."""
    assert relative(moments([(1.0, 1.0)] * 40)) == Unknown("the primary's cost is zero")


def test_intervals_cover_the_truth() -> None:
    """Of 400 seeded samples of a skewed population, drawn at two rates, about 95 % of the intervals hold the mean."""
    chance = random.Random(5)  # noqa: S311 (a simulation)
    population = [(chance.choice((0.1, 0.5)), chance.lognormvariate(0, 0.8)) for _ in range(2000)]
    truth = plain_mean(x for _, x in population)
    covered = 0
    for _ in range(400):
        drawn = [chance.choice(population) for _ in range(1000)]
        found = known(mean(moments([(1 / p, x) for p, x in drawn if chance.random() < p])))
        covered += found.low <= truth <= found.high
    assert 0.92 <= covered / 400 <= 0.98


@pytest.mark.parametrize("turns", [1, 5, 20])
def test_intervals_cover_the_truth_of_conversations(turns: int) -> None:
    """Of 600 seeded samples of conversations, drawn as a whole at two rates, 92 to 97 % of the intervals hold the mean.

    A conversation has a level of its own that its turns share, and about so many turns; short ones are dearer.
    """
    chance = random.Random(turns)  # noqa: S311 (a simulation)
    covered = sum(_covers(chance, turns) for _ in range(600))
    assert 0.92 <= covered / 600 <= 0.97


def _covers(chance: random.Random, turns: int) -> bool:
    """Whether the interval of one sample holds the mean of what it was drawn from, an endless population."""
    drawn = []
    for probability in (0.1, 0.5):  # thrice as many conversations have the lower rate
        for _ in range(round(300 * probability * (3 if probability < 0.2 else 1))):
            length = chance.randint(1, 2 * turns - 1)
            level = chance.lognormvariate(0, 0.6) * (1.5 if length < turns else 1.0) * (1 + probability)
            drawn.append([(1 / probability, level * chance.lognormvariate(0, 0.3)) for _ in range(length)])
    found = known(mean(clustered(drawn)))
    return found.low <= _truth(turns) <= found.high


def _truth(turns: int) -> float:
    """The mean over exchanges: of both rates, the lower of which has three quarters, and of all lengths."""
    lengths = range(1, 2 * turns)
    level = sum(length * (1.5 if length < turns else 1.0) for length in lengths) / sum(lengths)
    return (0.75 * 1.1 + 0.25 * 1.5) * level * exp(0.6**2 / 2) * exp(0.3**2 / 2)


@pytest.mark.parametrize(("degrees", "point"), [(9, 2.2622), (29, 2.0452), (120, 1.9799), (1e9, 1.9600)])
def test_points_of_student_t(degrees: float, point: float) -> None:
    """The tabulated values."""
    assert student_t(degrees) == pytest.approx(point, abs=5e-4)


def test_rates_need_calls() -> None:
    """None of nothing is not 0 %, and one of three not 33 %."""
    assert [rate(0, 0), rate(1, 3), rate(1, 10)] == [Unknown("no calls"), Unknown("fewer than 10 calls"), 0.1]


def test_quantile_follows_the_weight() -> None:
    """The value at which the share of the weight is reached, not of the values."""
    weights = {1.0: 10.0, 2.0: 30.0, 3.0: 60.0}
    assert [quantile(weights, 1000, share) for share in (0.05, 0.3, 0.5, 0.99)] == [1.0, 2.0, 3.0, 3.0]


@pytest.mark.parametrize(("share", "needed"), [(0.5, 10), (0.9, 50), (0.99, 500)])
def test_quantile_needs_values_beyond_it(share: float, needed: int) -> None:
    """With fewer than five of them the quantile is somebody's bad day."""
    assert quantile({1.0: 1.0}, needed, share) == 1.0
    assert quantile({1.0: 1.0}, needed - 1, share) == Unknown(f"fewer than {needed} pairs")


def test_quantile_of_nothing() -> None:
    """No pairs, no quantile."""
    assert quantile({}, 0, 0.5) == Unknown("no pairs")
