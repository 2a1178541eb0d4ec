"""`shadow inventory`: what the traffic uses, as the document that a migration begins with."""

import os
import shutil
import sys
from pathlib import Path
from typing import Any, Final, cast

import click

from shadow import page
from shadow.cli.ends import EXIT_STORE, fail, read, write
from shadow.cli.options import Condition, Moment, config_option
from shadow.report.totals import Scope

NICENESS: Final = 10  # in a pod, requests come first
TEXT_COLUMNS: Final = 100  # in a pipe or a file


@click.command()
@config_option(required=False)
@click.option("--db", type=click.Path(dir_okay=False, path_type=Path), help="The SQLite store, instead of a config.")
@click.option("--candidate", help="Of the candidates, only this one.")
@click.option("--since", type=Moment(), help="From this time on: ISO 8601, or an age such as 7d.")
@click.option("--until", type=Moment(), help="Up to this time.")
@click.option("--where", type=Condition(), multiple=True, help="Only exchanges with KEY=VALUE; may be repeated.")
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "markdown", "json", "csv", "html"]),
    default="text",
    show_default=True,
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
def inventory(config_path: Path | None, db: Path | None, style: str, out: Path | None, **scope: Any) -> None:
    """List what the traffic uses, and what that means for a move.

    Models, tenants, features, keys, tokens and costs, what only OpenRouter does, and what candidates took of it. With a
    configuration, the tenant registry tells plans, owners and consents.

    \b
    shadow inventory -c shadow.yaml --since 30d
    shadow inventory -c shadow.yaml --format markdown --out inventory.md
    """
    from shadow.inventory import formats
    from shadow.inventory.inventory import inventory as made
    from shadow.store import surveys
    from shadow.store.errors import StoreError
    from shadow.store.source import source

    if (config_path is None) == (db is None):
        raise click.UsageError("give either -c CONFIG or --db PATH")
    if style == "html" and not page.INSTALLED:
        raise click.UsageError(page.MISSING)
    os.nice(NICENESS)
    asked = Scope(**scope)
    if asked.since and asked.until and asked.until <= asked.since:
        raise click.UsageError("--until must be later than --since")
    config = None if config_path is None else read(config_path, secrets=False)
    try:
        facts = surveys.read(cast("Path", db) if config is None else source(config.store), asked)
    except StoreError as error:
        fail(str(error), EXIT_STORE)
    document = made(facts, config)
    if style == "text":
        on_terminal = out is None and sys.stdout.isatty()
        width = shutil.get_terminal_size().columns if on_terminal else TEXT_COLUMNS
        rendered = formats.text(document, width, colour=on_terminal and "NO_COLOR" not in os.environ)
    elif style == "html":
        from shadow.page.page import inventory as page_of

        rendered = page_of(document)
    else:
        render = {"markdown": formats.markdown, "json": formats.as_json, "csv": formats.as_csv}[style]
        rendered = render(document)
    if out is None:
        click.echo(rendered, nl=False)
    else:
        write(out, rendered)
