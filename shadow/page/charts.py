"""Charts as SVG whose colours are the page's own: they follow its theme, and print. Pure.

Vega draws with colours that stand for a part of the page; in the SVG each becomes that part's CSS variable. Nothing is
fetched: text is text in the page's font. Each chart is drawn twice, for a wide place and for a narrow one, and the page
shows the one that fits: a drawing that is only made smaller cannot be read on a phone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

import altair
import vl_convert

from shadow.page.waterfall import Step
from shadow.report.totals import BUCKET_WIDTH

# Colours that nothing else is drawn in → the variables of the page's style.
INK, FAINT, PRIMARY, CANDIDATE, GOOD, BAD = "#010101", "#020202", "#030303", "#040404", "#050505", "#060606"
VARIABLES: Final = {
    INK: "--ink",
    FAINT: "--faint",
    PRIMARY: "--primary",
    CANDIDATE: "--candidate",
    GOOD: "--good",
    BAD: "--bad",
}
WIDTHS: Final = {"wide": 720, "narrow": 320}  # pixels, with everything
LABELS: Final = {"wide": 230, "narrow": 110}  # of them, at most for names
FONT: Final = "system-ui, sans-serif"
SIZE: Final = 13  # pixels
ROOM: Final = 16  # of text when places are made for it: a reader's font may be wider than the one measured with
TICKS: Final = {"wide": 8, "narrow": 4}
LABEL_CHARACTERS: Final = 32
BINS: Final = 40  # of a distribution: finer ones show noise
BARS_MOST: Final = 15  # segments in one chart; the table has them all


@dataclass(frozen=True, slots=True)
class Bar:
    """An interval: what it is about, and its bounds as shares of the primary's."""

    label: str
    mean: float
    low: float
    high: float


def intervals(bars: Sequence[Bar]) -> str:
    """Changes of cost with their intervals, one line each, around a line at no change."""
    shown = bars[:BARS_MOST]
    rows = [
        {
            "segment": label,
            "mean": bar.mean,
            "low": bar.low,
            "high": bar.high,
            "colour": GOOD if bar.high < 0 else BAD if bar.low > 0 else INK,
        }
        for bar, label in zip(shown, _labels([bar.label for bar in shown]), strict=True)
    ]
    base = altair.Chart(_data(rows)).encode(
        y=altair.Y("segment:N", sort=None, title=None),
        color=altair.Color("colour:N", scale=None, legend=None),
    )
    axis = altair.Axis(format="+.0%", title="change of cost, 95 % interval", gridColor=FAINT, gridOpacity=0.35)
    lines = base.mark_rule(strokeWidth=3).encode(x=altair.X("low:Q", axis=axis), x2="high:Q")
    points = base.mark_point(filled=True, size=70).encode(x="mean:Q")
    none = altair.Chart(_data([{"x": 0}])).mark_rule(color=INK, strokeDash=[4, 3]).encode(x="x:Q")
    return _svg(
        altair.layer(none, lines, points), height=26 * len(rows), said="Change of cost by segment, with intervals"
    )


def distributions(primary: Mapping[int, float], candidate: Mapping[int, float]) -> str:
    """How long both arms took: shares of the calls by duration, on a logarithmic scale."""
    buckets = [*primary, *candidate]
    width = max(1, -(-(max(buckets) - min(buckets) + 1) // BINS))
    rows = [
        {"seconds": BUCKET_WIDTH ** (start + width / 2), "share": share, "arm": arm}
        for arm, weights in (("primary", primary), ("candidate", candidate))
        for start, share in _binned(weights, min(buckets), max(buckets), width)
    ]
    scale = altair.Scale(domain=["primary", "candidate"], range=[PRIMARY, CANDIDATE])
    chart = (
        altair.Chart(_data(rows))
        .mark_line(interpolate="monotone", strokeWidth=2)
        .encode(
            x=altair.X(
                "seconds:Q", scale=altair.Scale(type="log", nice=False), axis=altair.Axis(title="seconds", grid=False)
            ),
            y=altair.Y(
                "share:Q", axis=altair.Axis(format=".0%", title="share of calls", gridColor=FAINT, gridOpacity=0.35)
            ),
            color=altair.Color("arm:N", scale=scale, legend=altair.Legend(title=None, orient="top")),
            strokeDash=altair.StrokeDash(
                "arm:N", scale=altair.Scale(domain=["primary", "candidate"], range=[[1, 0], [6, 3]]), legend=None
            ),
        )
    )
    return _svg(chart, height=170, said="Distribution of durations at both arms")


def steps(found: Sequence[Step]) -> str:
    """What remained after each step, and what was left out at it."""
    rows = [
        {"step": step.name, "from": step.left, "to": step.left + step.lost, "colour": FAINT}
        if step.lost
        else {"step": step.name, "from": 0, "to": step.left, "colour": PRIMARY if at == 0 else CANDIDATE}
        for at, step in enumerate(found)
    ]
    axis = altair.Axis(title="exchanges", format="~s", gridColor=FAINT, gridOpacity=0.35)
    chart = (
        altair.Chart(_data(rows))
        .mark_bar()
        .encode(
            y=altair.Y("step:N", sort=None, title=None),
            x=altair.X("from:Q", axis=axis),
            x2="to:Q",
            color=altair.Color("colour:N", scale=None, legend=None),
        )
    )
    return _svg(chart, height=26 * len(rows), said="What became of all exchanges")


def _binned(weights: Mapping[int, float], least: int, most: int, width: int) -> list[tuple[int, float]]:
    """Shares of the weight in bins of so many buckets, by the first of each."""
    every = sum(weights.values()) or 1.0
    bins = dict.fromkeys(range(least, most + 1, width), 0.0)
    for bucket, weight in weights.items():
        bins[least + (bucket - least) // width * width] += weight / every
    return list(bins.items())


def _labels(names: Sequence[str]) -> list[str]:
    """Names cut to the room there is, and still one line each: those that would then be alike are numbered."""
    labels: dict[str, None] = {}
    for name in names:
        label = name if len(name) <= LABEL_CHARACTERS else f"{name[: LABEL_CHARACTERS - 1]}…"
        unique = next(
            one for number in count(1) if (one := label if number == 1 else f"({number}) {label}") not in labels
        )
        labels[unique] = None
    return list(labels)


def _data(rows: list[dict[str, Any]]) -> Any:
    return altair.InlineData(values=rows)


def _svg(chart: Any, *, height: int, said: str) -> str:
    """The chart in both widths, coloured by the page, with a name for who cannot see it."""
    return "".join(_drawn(chart, width, height, said) for width in WIDTHS)


def _drawn(chart: Any, width: str, height: int, said: str) -> str:
    text: dict[str, Any] = {"labelColor": INK, "titleColor": INK, "labelFont": FONT, "titleFont": FONT}
    text |= {"labelFontSize": ROOM, "titleFontSize": ROOM}
    axis = {"domainColor": FAINT, "tickColor": FAINT, "titleFontWeight": "normal", "labelLimit": LABELS[width]}
    across = {"labelFlush": False, "tickCount": TICKS[width]}
    styled = chart.properties(
        width=WIDTHS[width], height=height, background="transparent", autosize={"type": "fit-x", "contains": "padding"}
    ).configure(
        aria=False,  # the chart has one name, and a table behind it
        axis=text | axis,
        axisX=across,
        legend=text,
        view=altair.ViewConfig(stroke=None),
        font=FONT,
    )
    drawn = vl_convert.vegalite_to_svg(styled.to_dict()).replace(f'font-size="{ROOM}px"', f'font-size="{SIZE}px"')
    for colour, variable in VARIABLES.items():
        drawn = drawn.replace(f'"{colour}"', f'"var({variable})"')
    return drawn.replace('class="marks"', f'class="chart {width}" role="img" aria-label="{said}"', 1)
