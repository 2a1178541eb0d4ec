"""`shadow report`: the comparison, for people and for programs."""

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import click

from shadow.cli.ends import EXIT_GATE, EXIT_STORE, fail, read, read_gates, write
from shadow.cli.options import Breakdown, Condition, Moment, config_option
from shadow.report.totals import Dimension, Scope

if TYPE_CHECKING:
    from shadow.report.comparison import Report
    from shadow.report.gates import Gates
    from shadow.store.source import Source

REPORT_NICENESS: Final = 10  # in a pod, requests come first
PROGRAMS: Final = ("json", "csv")  # formats in which all breakdowns are there unless one is asked for
TEXT_COLUMNS: Final = 100  # of a report in a pipe or a file
BREAKDOWNS: Final[tuple[tuple[Dimension, ...], ...]] = (("tenant",), ("feature",), ("model",))


@click.command()
@config_option(required=False)
@click.option("--db", type=click.Path(dir_okay=False, path_type=Path), help="The SQLite store, instead of a config.")
@click.option("--candidate", help="Only this candidate.")
@click.option(
    "--by",
    "breakdowns",
    type=Breakdown(),
    multiple=True,
    help="Break down by tenant, feature, plan or model, or a combination such as tenant,feature; may be repeated. "
    "Where not given, JSON and CSV have tenant, feature and model, and text breaks down only traffic without replays.",
)
@click.option("--since", type=Moment(), help="From this time on: ISO 8601, or an age such as 7d.")
@click.option("--until", type=Moment(), help="Up to this time.")
@click.option("--where", type=Condition(), multiple=True, help="Only exchanges with KEY=VALUE; may be repeated.")
@click.option(
    "--format", "style", type=click.Choice(["text", "markdown", "json", "csv"]), default="text", show_default=True
)
@click.option(
    "--gate",
    "gate_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Judge by the margins in this file, and exit with 1 where a candidate does not hold them.",
)
@click.option("--full", is_flag=True, help="Text with every figure and what the words mean; other formats have all.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
def report(
    config_path: Path | None,
    db: Path | None,
    style: str,
    gate_path: Path | None,
    full: bool,
    out: Path | None,
    **scope: Any,
) -> None:
    """Compare the candidates with the primary: cost, latency, errors, answers.

    \b
    shadow report -c shadow.yaml --since 7d
    shadow report --db shadow.db --by tenant,feature --where tenant=acme --format json
    shadow report -c shadow.yaml --candidate ferry --gate gates.yaml

    Where the configuration names a ClickHouse, the rows of all pods are read there; --db reads one pod's.
    """
    from shadow.report.comparison import GATES
    from shadow.report.judgement import failures
    from shadow.store.errors import StoreError
    from shadow.store.reading import ForeignFileError
    from shadow.store.source import source

    if (config_path is None) == (db is None):
        raise click.UsageError("give either -c CONFIG or --db PATH")
    os.nice(REPORT_NICENESS)
    asked = Scope(**scope)
    if asked.since and asked.until and asked.until <= asked.since:
        raise click.UsageError("--until must be later than --since")
    config = None if config_path is None else read(config_path, secrets=False)
    gates = GATES if gate_path is None else read_gates(gate_path)
    where = cast("Path", db) if config is None else source(config.store)
    try:
        found = _compared(where, asked, gates, always_broken_down=style in PROGRAMS)
        if not found.candidates:
            _check_candidate(where, asked, {one.name for one in config.arms} if config else set())
    except StoreError as error:
        hint = "; give a configuration with -c" if db and isinstance(error, ForeignFileError) else ""
        fail(f"{error}{hint}", EXIT_STORE)
    rendered = _rendered(found, style, on_terminal=out is None and sys.stdout.isatty(), full=full)
    if out is None:
        click.echo(rendered, nl=False)
    else:
        write(out, rendered)
    if gate_path and (failed := failures(found, gates, asked.breakdowns)):
        click.echo("shadow: what does not hold:\n" + "\n".join(f"  {one}" for one in failed), err=True)
        sys.exit(EXIT_GATE)


def _rendered(found: "Report", style: str, *, on_terminal: bool, full: bool) -> str:
    from shadow.report import as_csv, as_json, as_markdown, text

    match style:
        case "json":
            return as_json.render(found)
        case "csv":
            return as_csv.render(found)
        case "markdown":
            return as_markdown.render(found)
    width = shutil.get_terminal_size().columns if on_terminal else TEXT_COLUMNS
    return text.render(found, width, colour=on_terminal and "NO_COLOR" not in os.environ, full=full)


def _compared(where: "Source", asked: Scope, gates: "Gates", *, always_broken_down: bool) -> "Report":
    """The report. Of traffic without replays the breakdowns are all there is, and nobody need ask for them."""
    from shadow.report.comparison import compare
    from shadow.store.source import read

    if always_broken_down and not asked.breakdowns:
        asked = replace(asked, breakdowns=BREAKDOWNS)
    found = compare(read(where, asked), asked, gates)
    if asked.breakdowns or found.candidates or not found.traffic.exchanges:
        return found
    return _compared(where, asked, gates, always_broken_down=True)


def _check_candidate(where: "Source", asked: Scope, configured: set[str]) -> None:
    """A candidate that nobody knows, where there are others, is a slip of the hand."""
    from shadow.report.layout import safe
    from shadow.store.source import arms

    if asked.candidate is None or asked.candidate in configured:
        return
    known = arms(where, asked)
    if known and asked.candidate not in known:
        raise click.BadParameter(f"There are replays to: {', '.join(map(safe, known))}.", param_hint="--candidate")
