"""The report for people, in a terminal or a pipe. Pure: the width and whether to use colours are arguments.

First what a move would change, one line for each candidate; then what was carried, if it is broken down; then each
candidate, with its segments. Each is brief, so that the beginning does not leave the screen, unless it is asked for in
full: every quantile, all estimates, how answers differ, and what the words mean.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from shadow.report.brief import brief
from shadow.report.comparison import Comparison, Report
from shadow.report.costs import DAY_S
from shadow.report.estimates import Unknown
from shadow.report.figures import Figures, share, whole
from shadow.report.judgement import in_short
from shadow.report.layout import (
    Cell,
    Paint,
    columns,
    count,
    dollars,
    duration,
    many,
    painter,
    percent,
    safe,
    table,
    wrapped,
)
from shadow.report.names import shown
from shadow.report.oddities import sentence
from shadow.report.overall import overall
from shadow.report.segments import by_segment, carried
from shadow.report.totals import Loss, Scope, Traffic

ARM_MOST: Final = 16  # of a candidate's name at the head of a line: the numbers need the room
WIDTH_LEAST: Final = 80  # narrower, and columns of numbers no longer stand side by side

LEGEND: Final = """A pair is one request that both arms answered well. Eligible are the calls that could have been
replayed, drawn are those that the sample took; what had no chance of being drawn is in no estimate. Sums over pairs are
exact, both arms' cost of the very same requests. Figures with * are estimates for the eligible traffic: each pair
counts for as many exchanges as its chance of being drawn says, and brackets hold a 95 % interval for which the turns of
a conversation are one draw. Uncached means every prompt token at its uncached price, so that a warm cache is not taken
for a saving. An error is a model call without a whole, good answer; at a candidate, a replay that failed."""
BRIEF: Final = """A pair is one request that both arms answered well; sums over pairs are exact. Figures with * are
estimates for the eligible traffic, the calls that could have been replayed; brackets hold a 95 % interval. Beside
medians stands the difference of means. Add --full for every quantile, all estimates, how answers differ, and what the
words mean."""
ANSWERS: Final = """‡ Beside the candidate's answers stand the control's, the primary's model asked once more; where
there is none, the primary's own where they can be asked the same. The difference is what is above that."""
VERDICTS: Final = """A verdict compares the interval of a difference with its margin: within it on both sides is
equivalent, beyond it on one side of zero better or worse, anything else inconclusive. The intervals of verdicts are
wider, so that all verdicts of a table hold together with the stated confidence."""
ERRORS: Final = """† Error rates are over different requests: what failed at the primary is never replayed.
A candidate's is an estimate, weighted as figures with * are."""
SEGMENTS: Final = """To break this down add --by tenant, --by feature, --by model or --by plan, or several, or combine
them: --by tenant,feature."""

# The columns of the first table, with which of them go first where they do not fit side by side.
HEADS: Final = (
    ("", ""),
    ("moved", "of calls"),
    ("", "pairs"),
    ("change", "of cost *"),
    ("change, USD", "in 30 days *"),
    ("first token", "seconds *"),
    ("whole answer", "seconds *"),
    ("error", "rates †"),
)
SPARE: Final = (7, 2, 5)
PLAIN: Final = painter(False)


def render(report: Report, width: int = 100, colour: bool = False, full: bool = False) -> str:
    """The report in lines of about `width` columns, with a newline at the end."""
    width, paint, figures = max(width, WIDTH_LEAST), painter(colour), Figures()
    lines = [*header(report, width, paint)]
    if report.candidates:
        lines += ["", *_glance(report, width, paint, figures)]
    if report.traffic.exchanges:
        for one in report.accounts:
            lines += carried(one, width, paint, figures)
    for comparison in report.candidates:
        block = overall if full else brief
        lines += ["", *block(comparison, width, paint, figures)]
        for table_ in comparison.tables:
            lines += by_segment(comparison.arm, table_, width, paint, figures)
    lines += legend(report, width, figures, full=full)
    return "\n".join(lines) + "\n"


def legend(report: Report, width: int, figures: Figures, *, full: bool = True) -> Iterator[str]:
    """What the words and signs mean, those of unknown figures last."""
    if report.candidates and not full:
        yield from ("", *wrapped(BRIEF, width))
    elif report.candidates:
        yield from ("", *wrapped(LEGEND, width))
        if any(one.overall.disagreements for one in report.candidates):
            yield from wrapped(ANSWERS, width)
        yield from wrapped(VERDICTS, width)
    if figures.reasons:
        yield from ("",) * (not report.candidates)
        yield from wrapped(f"— is unknown or too thin: {figures.legend()}.", width)
    if report.traffic.exchanges and not report.scope.breakdowns:
        yield from ("", *wrapped(SEGMENTS, width))


def header(report: Report, width: int, paint: Paint = PLAIN) -> Iterator[str]:
    """What the report is about, and what was carried."""
    title, scope = paint("Shadow report", "title"), report.scope
    if report.first_at is None or report.last_at is None:
        yield title
        yield from wrapped(_restriction(scope), width)
        yield from wrapped(_missing(report.loss), width)
        yield f"No exchanges were recorded{' in this period' if scope.since or scope.until else ''}."
        return
    days = report.length_s / DAY_S
    length = f"{days:.1f} days" if days >= 1 else f"{duration(report.length_s)} seconds"
    yield f"{title}  {_minute(report.first_at)} → {_minute(report.last_at)} UTC, {length}"
    yield from wrapped(_restriction(scope), width)
    yield from wrapped(_missing(report.loss), width)
    if not report.traffic.exchanges:
        yield "No exchanges: none that were recorded in this time meet these conditions."
        return
    yield from wrapped(_carried(report), width)
    yield from wrapped(sentence(report), width)
    if not report.candidates:
        whom, which = (f" to {safe(scope.candidate)}", "such ") if scope.candidate else ("", "")
        yield f"No replays{whom}: no {which}candidate was configured while these exchanges were recorded."


def _restriction(scope: Scope) -> str:
    conditions = [f"{dimension} = {shown(dimension, value or None)}" for dimension, value in scope.where]
    said = [f"with {', '.join(conditions)}"] if conditions else []
    said += [f"from {_minute(scope.since)} UTC"] if scope.since else []
    said += [f"until {_minute(scope.until)} UTC"] if scope.until else []
    return f"Only exchanges {', '.join(said)}." if said else ""


def _missing(loss: Loss | None) -> str:
    if loss is None:
        return ""
    missing = loss.shipped + loss.unshipped
    last = _minute(datetime.fromtimestamp(loss.last_at, UTC))
    shipped = f"; ClickHouse has {count(loss.shipped)} of them" if loss.shipped else ""
    return (
        f"Incomplete: {many(missing, 'exchange')} up to {last} UTC {'is' if missing == 1 else 'are'} missing, "
        f"deleted because store.max_bytes was reached{shipped}."
    )


def _minute(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"


def _carried(report: Report) -> str:
    """What the primary carried, and what of it is not known."""
    traffic = report.traffic
    shares = (("answered", traffic.answered), ("errors", traffic.errors), ("cancelled", traffic.cancelled))
    ends = ", ".join(f"{count(number)} {what}{_share(number, traffic.calls)}" for what, number in shares)
    said = f"{many(traffic.exchanges, 'exchange')}, {count(traffic.calls)} of them model calls: {ends}. "
    if isinstance(report.spent_usd, Unknown):
        return f"{said}What they cost is not known. {_gaps(traffic)}"
    return f"{said}Those of known cost came to {dollars(report.spent_usd)} USD. {_gaps(traffic)}"


def _gaps(traffic: Traffic) -> str:
    if not (traffic.cost_unknown or traffic.no_tenant or traffic.no_feature):
        return "Cost, tenant and feature of every call are known."
    to = (("tenant", traffic.no_tenant), ("feature", traffic.no_feature))
    unattributed = [f"{count(number)}{_share(number, traffic.calls)} to a {what}" for what, number in to if number]
    said = [f"Unattributed: {', '.join(unattributed)}."] if unattributed else []
    if traffic.cost_unknown:
        said.append(f"Of unknown cost: {count(traffic.cost_unknown)}{_share(traffic.cost_unknown, traffic.calls)}.")
    return " ".join(said)


def _share(number: int, of: int) -> str:
    return f" ({percent(number / of)})" if number and of else ""


def _glance(report: Report, width: int, paint: Paint, figures: Figures) -> Iterator[str]:
    """One line for each candidate, with as many columns as fit."""
    yield paint("If all eligible traffic moved", "title") + "  (primary → candidate; seconds are medians)"
    rows = [[Cell(head[line], "faint") for head in HEADS] for line in (0, 1)]
    rows += [_moved(one, report.traffic.calls, figures) for one in report.candidates]
    left_out: set[int] = set()
    for spare in (*SPARE, None):
        chosen = [[cell for at, cell in enumerate(row) if at not in left_out] for row in rows]
        if spare is None or max(map(columns, table(chosen, painter(False)))) <= width:
            break
        left_out.add(spare)
    yield from table(chosen, paint)
    yield from wrapped(ERRORS, width, "  ", "    ")
    for one in report.candidates:
        if untried := one.overall.candidate_errors.untried:
            said = f"{safe(one.arm)} was failing: {many(untried, 'replay')} more were not tried and are in no rate."
            yield from wrapped(said, width, "  ", "    ")
    yield ""
    for one in report.candidates:
        yield from wrapped(in_short(one), width, "  ", "    ")


def _moved(comparison: Comparison, calls: int, figures: Figures) -> list[Cell]:
    one = comparison.overall
    return [
        Cell(safe(comparison.arm, ARM_MOST), "title"),
        share(one.coverage.eligible - one.unprojected.exchanges, calls),
        whole(one.coverage.pairs),
        figures.change(one.cost),
        figures.amount(one.cost.monthly_usd, interval=False),
        figures.shift(one.ttft, 0.5),
        figures.shift(one.total, 0.5),
        figures.rates(one.primary_errors, one.candidate_errors),
    ]
