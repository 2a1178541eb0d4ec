"""`shadow export`: stored rows for other programs."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import click

from shadow.cli.ends import EXIT_STORE, fail
from shadow.cli.stored import asked, out_option, rows_options
from shadow.report.totals import Scope

if TYPE_CHECKING:
    from shadow.store.export import Kind, Record

TOLD_EVERY: Final = 10_000  # rows


@click.command()
@click.argument("kind", type=click.Choice(["exchanges", "replays"]))
@rows_options("Only this candidate's replays.")
@click.option("--format", "style", type=click.Choice(["jsonl", "csv", "parquet"]), default="jsonl", show_default=True)
@out_option
def export(kind: "Kind", config_path: Path | None, db: Path | None, style: str, out: Path | None, **scope: Any) -> None:
    """Write the stored exchanges, or what became of them at candidates, as rows.

    \b
    shadow export exchanges -c shadow.yaml --since 7d --format csv --out exchanges.csv
    shadow export replays --db shadow.db --candidate ferry | jq .cost_usd

    Money is decimal text in US dollars; what is unknown is null, or empty in CSV. Where the configuration names a
    ClickHouse, the rows of all pods are read there; --db reads one pod's.
    """
    from shadow.store.errors import StoreError
    from shadow.store.export import COLUMNS
    from shadow.store.source import records

    if kind == "exchanges" and scope["candidate"]:
        raise click.UsageError("--candidate is about replays")
    if style == "parquet" and out is None:
        raise click.UsageError("--format parquet needs --out FILE")
    writing = _writer(style)
    wanted = Scope(**scope)
    try:
        rows = records(asked(config_path, db, wanted.since, wanted.until).source, kind, wanted)
        first = list(islice(rows, 1))  # a store that cannot be read leaves no file with a heading
        with _opened(out) as file:
            writing(file, COLUMNS[kind], _told(chain(first, rows), kind, out))
    except StoreError as error:
        fail(str(error), EXIT_STORE)
    except OSError as error:
        if out is None:
            raise  # the reader of a pipe is gone
        fail(f"{out} cannot be written: {error.strerror}")


def _writer(style: str) -> Any:
    from shadow.cli import writing

    if style == "parquet" and not writing.PARQUET:
        fail("parquet needs pyarrow: install the package with its extra, shadow-sidecar[parquet]")
    return {"jsonl": writing.jsonl, "csv": writing.comma_separated, "parquet": writing.parquet}[style]


@contextmanager
def _opened(out: Path | None) -> Iterator[IO[bytes]]:
    """Where rows go: a file that takes its name once all of them are in it, or standard output."""
    if out is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = out.with_name(f"{out.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


def _told(rows: "Iterable[Record]", kind: str, out: Path | None) -> "Iterator[Record]":
    """The rows; on a terminal that does not show them, how many there have been."""
    telling = sys.stderr.isatty() and not (out is None and sys.stdout.isatty())
    number = 0
    for number, row in enumerate(rows, 1):
        if telling and number % TOLD_EVERY == 0:
            click.echo(f"\r{number:,} {kind}", nl=False, err=True)
        yield row
    if telling:
        click.echo(f"\r{number:,} {kind}", err=True)
