"""What the commands over stored rows share: where the rows are, which of them are asked for, where the text goes."""

import os
import shutil
import sys
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast

import click

from shadow.cli.ends import read, write
from shadow.cli.options import Condition, Moment, config_option
from shadow.priority import stand_back

if TYPE_CHECKING:
    from shadow.config import Config
    from shadow.store.source import Source

F = TypeVar("F", bound=Callable[..., Any])

TEXT_COLUMNS: Final = 100  # of text in a pipe or a file


class Asked(NamedTuple):
    """The rows of a command: where they are, and the configuration that says so where there is one."""

    source: "Source"
    config: "Config | None"


def rows_options(candidate: str) -> Callable[[F], F]:
    """-c or --db, and which of the rows; `candidate` is the help of --candidate. The command gives way to requests."""
    options = (
        config_option(required=False),
        click.option("--db", type=click.Path(dir_okay=False, path_type=Path), help="The SQLite store, not a config."),
        click.option("--candidate", help=candidate),
        click.option("--since", type=Moment(), help="From this time on: ISO 8601, or an age such as 7d."),
        click.option("--until", type=Moment(), help="Up to this time."),
        click.option("--where", type=Condition(), multiple=True, help="Only exchanges with KEY=VALUE; repeatable."),
    )

    def decorate(command: F) -> F:
        @wraps(command)
        def giving_way(*arguments: Any, **chosen: Any) -> Any:
            stand_back()  # before the rooms that it needs are even loaded
            return command(*arguments, **chosen)

        for option in reversed(options):
            option(giving_way)  # which click notes on the function itself
        return cast("F", giving_way)

    return decorate


out_option = click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")


def asked(config_path: Path | None, db: Path | None, since: datetime | None, until: datetime | None) -> Asked:
    """The rows that the options name. Ends the command where they contradict each other."""
    from shadow.store.source import source

    if (config_path is None) == (db is None):
        raise click.UsageError("give either -c CONFIG or --db PATH")
    if since and until and until <= since:
        raise click.UsageError("--until must be later than --since")
    config = None if config_path is None else read(config_path, secrets=False)
    return Asked(cast("Path", db) if config is None else source(config.store), config)


def screen(out: Path | None) -> tuple[int, bool]:
    """How wide text may be, and whether it may have colours."""
    on_terminal = out is None and sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if on_terminal else TEXT_COLUMNS
    return width, on_terminal and "NO_COLOR" not in os.environ


def deliver(rendered: str, out: Path | None) -> None:
    """Print it, or write it to a file."""
    if out is None:
        click.echo(rendered, nl=False)
    else:
        write(out, rendered)
