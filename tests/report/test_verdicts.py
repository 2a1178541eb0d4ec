"""Verdicts: what an interval says beside a margin, and how seldom noise is called worse."""

from collections import Counter
from dataclasses import replace

import pytest

from shadow.report.comparison import GATES, SegmentComparison, compare
from shadow.report.costs import DAY_S, Lengths
from shadow.report.estimates import Estimate, Unknown
from shadow.report.gates import AgreementMargins, Gates, Margins
from shadow.report.totals import FAILED, Breakdown, Dimension, Moments, Money, Replays, Scope, Segment, Totals, Traffic
from shadow.report.verdicts import Judged, Verdict, Word, _more, _word, verdicts, word
from tests.report.simulated import sample
from tests.report.test_comparison import failing, replays
from tests.report.test_estimates import drawn

WEEK = Lengths(7 * DAY_S, 7 * DAY_S)
CALLS = Traffic(exchanges=10_000, calls=10_000, answered=9900, errors=100)
ONLY_COST = Gates(margins=Margins(ttft_p95=None, error_rate=None))


def judged(one: Replays, gates: Gates = GATES, control: Replays | None = None, segments: int = 1) -> dict[str, Verdict]:
    found = verdicts(Judged(CALLS, one, control, WEEK), gates, segments)
    return {verdict.measure: verdict for verdict in found}


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-0.01, 0.01, "equivalent"),
        (0.001, 0.019, "equivalent"),
        (0.001, 0.03, "worse"),
        (0.03, 0.04, "worse"),
        (-0.03, -0.001, "better"),
        (-0.04, -0.03, "better"),
        (-0.01, 0.03, "inconclusive"),
        (-0.03, 0.01, "inconclusive"),
        (-0.03, 0.03, "inconclusive"),
    ],
)
def test_an_interval_beside_a_margin_of_two_per_cent(low: float, high: float, said: str) -> None:
    """Within it on both sides is no difference that matters; beyond it on one side of zero is one."""
    assert _word(Estimate((low + high) / 2, low, high), 0.02) == said


def test_surely_not_worse_holds_without_being_conclusive() -> None:
    """Three per cent less, give or take four: nobody knows if it saves, and it may pass."""
    values = [1.0, 0.94] * 60 + [0.97] * 80
    draws = [[(1.0, 1.0, value + 0.2 * (n % 4 - 1.5))] for n, value in enumerate(values)]
    one = Replays(cost=Money(200, moments=drawn(draws)))
    found = judged(one, ONLY_COST)["cost"]
    assert isinstance(found.difference, Estimate)
    assert found.difference.low < -0.02 < 0 < found.difference.high < 0.02
    assert (found.word, found.holds) == ("inconclusive", True)


def test_a_saving_is_better() -> None:
    """Thirty per cent less in each pair, give or take: surely less, and it holds."""
    found = judged(sample(1, 1, 3000), ONLY_COST)["cost"]
    assert (found.word, found.holds, found.more_pairs) == ("better", True, None)


@pytest.mark.parametrize(("turns", "runs"), [(1, 60), (4, 40)])
def test_noise_is_called_worse_in_fewer_than_one_run_of_twenty(turns: int, runs: int) -> None:
    """Of many seeded samples of a candidate that differs by nothing but noise, in any measure."""
    words: Counter[Word] = Counter()
    for seed in range(runs):
        one, control = (sample(at, turns, 2000 // turns, noise=True) for at in (seed, 1000 + seed))
        words[word(tuple(judged(one, Gates(pairs=30), control).values()))] += 1
    assert words["worse"] <= runs / 20


def test_verdicts_of_many_segments_are_more_careful() -> None:
    """One level for a table together, whatever is in it."""
    one = sample(1, 1, 3000)
    gates = replace(ONLY_COST, margins=replace(ONLY_COST.margins, agreement=AgreementMargins(finish_reason=None)))
    alone, many = (judged(one, gates, segments=segments)["cost"] for segments in (1, 50))
    assert (alone.confidence, many.confidence) == (pytest.approx(1 - 0.05 / 1), pytest.approx(1 - 0.05 / 50))
    assert isinstance(alone.difference, Estimate)
    assert isinstance(many.difference, Estimate)
    assert many.difference.low < alone.difference.low < alone.difference.high < many.difference.high


def test_measures_share_the_confidence() -> None:
    """Cost, first token and errors: three, of which each gets a third of one in twenty."""
    found = judged(sample(1, 1, 900), Gates(margins=Margins(agreement=AgreementMargins(finish_reason=None))))
    assert [one.confidence for one in found.values()] == [pytest.approx(1 - 0.05 / 3)] * 3


class TestThin:
    """Segments with too few pairs for a verdict."""

    def test_thin_segments_say_how_many_more_it_takes(self) -> None:
        """100 of 200 pairs in a week: 100 more, in another week."""
        found = judged(replays(100), ONLY_COST)["cost"]
        assert (found.word, found.holds, found.why) == ("inconclusive", False, "100 of at least 200 pairs")
        assert (found.more_pairs, found.days) == (100, pytest.approx(7.0))

    def test_nothing_tells_how_long_nothing_takes(self) -> None:
        """Without a pair there is no rate."""
        found = judged(Replays(), ONLY_COST)["cost"]
        assert (found.more_pairs, found.days) == (200, None)

    def test_wide_interval_takes_more_pairs(self) -> None:
        """Half as wide takes four times as many; what lies on the margin takes for ever."""
        assert _more(Estimate(0.0, -0.04, 0.04), 0.02, 100) == 300
        assert _more(Estimate(0.04, -0.04, 0.12), 0.02, 100) == 300
        assert _more(Estimate(0.0199, -0.1, 0.14), 0.02, 100) is None

    def test_measure_without_an_estimate_says_why(self) -> None:
        """There are pairs enough, and no control to tell noise by."""
        one = replays(300)
        one.agreement["finish_reason"] = failing(300, 10)
        found = judged(one, Gates())["finish_reason"]
        assert (found.word, found.difference, found.why) == ("inconclusive", Unknown("no control"), "no control")


class TestMeasures:
    """What is judged."""

    def test_errors_are_points(self) -> None:
        """One call in a hundred fails at the primary, one in ten at the candidate."""
        one = Replays(failures={FAILED: failing(1000, 100)})
        found = judged(one)["error_rate"]
        assert found.word == "worse"
        assert isinstance(found.difference, Estimate)
        assert found.difference.mean == pytest.approx(0.09)

    def test_disagreement_is_above_the_controls(self) -> None:
        """A third of the answers end otherwise at both: that is noise."""
        one, control = Replays(), Replays()
        one.agreement["finish_reason"], control.agreement["finish_reason"] = failing(9000, 3000), failing(9000, 3000)
        found = judged(one, Gates(margins=Margins(agreement=AgreementMargins(finish_reason=0.05))), control)
        assert found["finish_reason"].word == "equivalent"

    def test_questions_that_did_not_arise_are_not_judged(self) -> None:
        """Nobody asked for JSON: there is no doubt about it."""
        assert set(judged(replays(300))) == {"cost", "error_rate"}

    def test_measures_without_a_margin_are_not_judged(self) -> None:
        """null in the file."""
        one = replays(300)
        one.agreement["text"] = failing(300, 200)
        assert set(judged(one, ONLY_COST)) == {"cost"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("better", "equivalent"), "better"),
        (("equivalent", "equivalent"), "equivalent"),
        (("better", "inconclusive"), "inconclusive"),
        (("better", "inconclusive", "worse"), "worse"),
        ((), "inconclusive"),
    ],
)
def test_a_segment_is_as_good_as_its_worst_measure(words: tuple[Word, ...], said: Word) -> None:
    """Worse in anything is worse, doubt about anything is doubt."""
    zero = Unknown("no pairs")
    assert word(tuple(Verdict("cost", one, False, zero, 0.02, 0.95, 0) for one in words)) == said


def test_every_segment_has_verdicts() -> None:
    """Overall and in tables, in the confidence that the table's number of segments with pairs enough asks for."""
    dimensions: tuple[Dimension, ...] = ("tenant",)
    names: list[Segment | str] = [("a",), ("b",), ("thin",)]
    traffic = {name: Traffic(exchanges=1000) for name in names}
    numbers = dict(zip(names, (300, 300, 50), strict=True))
    table = Breakdown(dimensions, traffic, {("ferry", name): replays(number) for name, number in numbers.items()})
    whole = Breakdown((), {(): Traffic(exchanges=3000)}, {("ferry", ()): replays(650)})
    [ferry] = compare(Totals([table, whole], 0.0, DAY_S * 3), Scope(), ONLY_COST).candidates
    found: list[SegmentComparison] = [ferry.overall, *ferry.tables[0].segments]
    assert [one.verdicts[0].confidence for one in found] == [0.95, *[pytest.approx(0.975)] * 3]
    assert [one.verdict for one in found] == ["better", "better", "better", "inconclusive"]


def test_candidate_that_fails_everything_is_worse() -> None:
    """There is no pair, and no doubt."""
    one = Replays(failures={FAILED: failing(300, 300)})
    assert word(tuple(judged(one).values())) == "worse"


def test_moments_of_nothing_are_no_verdict() -> None:
    """No replays: everything is inconclusive, nothing an error."""
    assert {one.word for one in judged(Replays(failures={FAILED: Moments()})).values()} == {"inconclusive"}
