"""`shadow inventory`: what the traffic uses, as the document that a migration begins with."""

from pathlib import Path
from typing import Any

import click

from shadow import page
from shadow.cli.ends import EXIT_STORE, fail
from shadow.cli.stored import asked, deliver, out_option, rows_options, screen
from shadow.report.totals import Scope


@click.command()
@rows_options("Of the candidates, only this one.")
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "markdown", "json", "csv", "html"]),
    default="text",
    show_default=True,
)
@out_option
def inventory(config_path: Path | None, db: Path | None, style: str, out: Path | None, **scope: Any) -> None:
    """List what the traffic uses, and what that means for a move.

    Models, tenants, features, keys, tokens and costs, what only OpenRouter does, and what candidates took of it. With a
    configuration, the tenant registry tells plans, owners and consents.

    \b
    shadow inventory -c shadow.yaml --since 30d
    shadow inventory -c shadow.yaml --format markdown --out inventory.md
    """
    from shadow.inventory import as_csv, as_json, as_markdown, text
    from shadow.inventory.inventory import inventory as made
    from shadow.store import surveys
    from shadow.store.errors import StoreError

    if style == "html" and not page.INSTALLED:
        raise click.UsageError(page.MISSING)
    wanted = Scope(**scope)
    where, config = asked(config_path, db, wanted.since, wanted.until)
    try:
        facts = surveys.read(where, wanted)
    except StoreError as error:
        fail(str(error), EXIT_STORE)
    document = made(facts, config)
    if style == "text":
        width, colour = screen(out)
        rendered = text.render(document, width, colour=colour)
    elif style == "html":
        from shadow.page.page import inventory as page_of

        rendered = page_of(document)
    else:
        rendered = {"markdown": as_markdown, "json": as_json, "csv": as_csv}[style].render(document)
    deliver(rendered, out)
