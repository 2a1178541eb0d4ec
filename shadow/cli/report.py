"""`shadow report`: the comparison, for people and for programs."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import click

from shadow import page
from shadow.cli.ends import EXIT_GATE, EXIT_STORE, fail, read_gates
from shadow.cli.options import Breakdown
from shadow.cli.stored import asked, deliver, out_option, rows_options, screen
from shadow.report.totals import Dimension, Scope

if TYPE_CHECKING:
    from shadow.config import Config
    from shadow.report.comparison import Report
    from shadow.report.examples import Example
    from shadow.report.gates import Gates
    from shadow.report.totals import Totals
    from shadow.store.source import Source

BROKEN_DOWN: Final = ("json", "csv", "html")  # formats in which all breakdowns are there unless one is asked for
BREAKDOWNS: Final[tuple[tuple[Dimension, ...], ...]] = (("tenant",), ("feature",), ("model",))


@click.command()
@rows_options("Only this candidate.")
@click.option(
    "--by",
    "breakdowns",
    type=Breakdown(),
    multiple=True,
    help="Break down by tenant, feature, plan or model, or a combination such as tenant,feature; may be repeated. "
    "Where not given, JSON, CSV and HTML have tenant, feature and model, and others break down only traffic without "
    "replays.",
)
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "markdown", "json", "csv", "html"]),
    default="text",
    show_default=True,
)
@click.option(
    "--examples/--no-examples",
    default=True,
    show_default=True,
    help="In HTML, show a few kept pairs that disagree: of tenants that consent, from this pod's database.",
)
@click.option(
    "--gate",
    "gate_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Judge by the margins in this file, and exit with 1 where a candidate does not hold them.",
)
@click.option("--full", is_flag=True, help="Text with every figure and what the words mean; other formats have all.")
@out_option
def report(
    config_path: Path | None,
    db: Path | None,
    style: str,
    gate_path: Path | None,
    full: bool,
    out: Path | None,
    examples: bool,
    **scope: Any,
) -> None:
    """Compare the candidates with the primary: cost, latency, errors, answers.

    \b
    shadow report -c shadow.yaml --since 7d
    shadow report --db shadow.db --by tenant,feature --where tenant=acme --format json
    shadow report -c shadow.yaml --candidate ferry --gate gates.yaml
    shadow report -c shadow.yaml --since 30d --format html --out report.html

    Where the configuration names a ClickHouse, the rows of all pods are read there; --db reads one pod's.
    """
    from shadow.report.comparison import GATES
    from shadow.report.judgement import failures
    from shadow.store.errors import StoreError
    from shadow.store.reading import ForeignFileError

    if style == "html" and not page.INSTALLED:
        raise click.UsageError(page.MISSING)
    wanted = Scope(**scope)
    where, config = asked(config_path, db, wanted.since, wanted.until)
    gates = GATES if gate_path is None else read_gates(gate_path)
    try:
        found, totals = _compared(where, wanted, gates, always_broken_down=style in BROKEN_DOWN)
        if not found.candidates:
            _check_candidate(where, wanted, {one.name for one in config.arms} if config else set())
        pairs = _examples(cast("Path", db), config, wanted) if style == "html" and examples else ()
    except StoreError as error:
        hint = "; give a configuration with -c" if db and isinstance(error, ForeignFileError) else ""
        fail(f"{error}{hint}", EXIT_STORE)
    rendered = _page(found, totals, pairs) if style == "html" else _rendered(found, style, *screen(out), full=full)
    deliver(rendered, out)
    if gate_path and (failed := failures(found, gates, wanted.breakdowns)):
        click.echo("shadow: what does not hold:\n" + "\n".join(f"  {one}" for one in failed), err=True)
        sys.exit(EXIT_GATE)


def _rendered(found: "Report", style: str, width: int, colour: bool, *, full: bool) -> str:
    from shadow.report import as_csv, as_json, as_markdown, text

    match style:
        case "json":
            return as_json.render(found)
        case "csv":
            return as_csv.render(found)
        case "markdown":
            return as_markdown.render(found)
    return text.render(found, width, colour=colour, full=full)


def _page(found: "Report", totals: "Totals", pairs: "tuple[Example, ...]") -> str:
    from shadow.page.page import render

    return render(found, totals, pairs)


def _examples(db: Path | None, config: "Config | None", asked: Scope) -> "tuple[Example, ...]":
    """Kept pairs that disagree: where there is a configuration, of those who consent today. ClickHouse has none."""
    from shadow.store.examples import read

    if config is None:
        return read(cast("Path", db), asked)
    kept = config.capture.bodies == "consented" and config.store.path.exists()
    consenting = {name for name, tenant in config.registry.tenants.items() if tenant.bodies}
    return read(config.store.path, asked, consenting) if kept else ()


def _compared(where: "Source", asked: Scope, gates: "Gates", *, always_broken_down: bool) -> "tuple[Report, Totals]":
    """The report. Of traffic without replays the breakdowns are all there is, and nobody need ask for them."""
    from shadow.report.comparison import compare
    from shadow.store.source import read

    if always_broken_down and not asked.breakdowns:
        asked = replace(asked, breakdowns=BREAKDOWNS)
    totals = read(where, asked)
    found = compare(totals, asked, gates)
    if asked.breakdowns or found.candidates or not found.traffic.exchanges:
        return found, totals
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
