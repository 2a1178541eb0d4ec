"""The `shadow` command. Reads files, prints, sets exit codes; every room is imported by the command that needs it.

Exit codes: 0 done; 2 wrong usage or configuration; 3 could not read the store.
"""

import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

import click

from shadow import __version__, configfile
from shadow.config import Config
from shadow.report.totals import DIMENSIONS, Dimension, Scope

if TYPE_CHECKING:
    from shadow.report.comparison import Report

REPORT_NICENESS: Final = 10  # in a pod, requests come first
TEXT_COLUMNS: Final = 100  # of a report in a pipe or a file
EXIT_USAGE: Final = 2
EXIT_STORE: Final = 3
EXIT_INTERRUPTED: Final = 130  # as shells report SIGINT
AGE: Final = re.compile(r"(\d+)([smhdw])")
AGE_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
BREAKDOWNS: Final[tuple[tuple[Dimension, ...], ...]] = (("tenant",), ("feature",), ("model",))


class Moment(click.ParamType[datetime]):
    """An ISO 8601 time, in UTC unless it says otherwise, or an age such as 7d."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            if age := AGE.fullmatch(value):
                return datetime.now(UTC) - timedelta(**{AGE_UNITS[age[2]]: int(age[1])})
            moment = datetime.fromisoformat(value)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is neither an ISO 8601 time nor an age such as 90m, 24h or 7d", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Breakdown(click.ParamType[tuple[Dimension, ...]]):
    """A comma-separated combination of what to break a report down by."""

    name = "dimensions"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Dimension, ...]:
        if isinstance(value, tuple):
            return value
        found = tuple(one for name in value.split(",") for one in DIMENSIONS if one == name.strip())
        if len(found) != len(value.split(",")) or len(set(found)) != len(found):
            self.fail(f"{value!r} is not a combination of {', '.join(DIMENSIONS)}", param, ctx)
        return found


class Condition(click.ParamType[tuple[Dimension, str]]):
    """KEY=VALUE, where KEY is a dimension; an empty VALUE asks for exchanges without one."""

    name = "key=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Dimension, str]:
        if isinstance(value, tuple):
            return value
        key, equals, wanted = value.partition("=")
        for dimension in DIMENSIONS:
            if equals and dimension == key:
                return dimension, wanted
        return self.fail(f"{value!r} is not KEY=VALUE with a KEY of {', '.join(DIMENSIONS)}", param, ctx)


ConfigFile = click.Path(dir_okay=False, path_type=Path)


def config_option(*, required: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(
        "-c", "--config", "config_path", type=ConfigFile, required=required, help="The YAML configuration file."
    )


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="shadow")
def main() -> None:
    """Mirror OpenRouter traffic to candidate providers, and learn what a move would change.

    Try it without keys or network:  shadow demo
    """


@main.command()
@config_option()
def serve(config_path: Path) -> None:
    """Run forwarder and recorder until SIGTERM.

    Point the application's base URL at `listen` (http://127.0.0.1:8080/api/v1 by default). Every request goes to
    `upstream.url` unchanged; a sample is replayed to the candidates afterwards.
    """
    config = _read(config_path)

    import uvloop

    from shadow import log
    from shadow.fingerprint import SecretError
    from shadow.service import StartError
    from shadow.service import serve as serve_until_stopped

    log.configure("forwarder")
    try:
        uvloop.run(serve_until_stopped(config))
    except (StartError, SecretError) as error:
        _fail(str(error))


@main.command()
@config_option()
def check(config_path: Path) -> None:
    """Validate a configuration: every mistake at once, with its key path."""
    config = _read(config_path)
    click.echo(f"{config_path}: ok")
    click.echo(f"  http://{config.listen}/… is forwarded to {config.upstream.url}/…")
    for candidate in config.candidates:
        click.echo(f"  {candidate.sample.rate:.2%} of conversations are replayed to {candidate.name} ({candidate.url})")
    click.echo(f"  rows are kept in {config.store.path}; {len(config.registry.tenants)} tenants are registered")


@main.command()
@config_option(required=False)
@click.option("--db", type=click.Path(dir_okay=False, path_type=Path), help="The SQLite store, instead of a config.")
@click.option("--candidate", help="Only this candidate.")
@click.option(
    "--by",
    "breakdowns",
    type=Breakdown(),
    multiple=True,
    help="Break down by tenant, feature, plan or model, or a combination such as tenant,feature; may be repeated. "
    "Where not given, JSON has tenant, feature and model, and text breaks down only traffic without replays.",
)
@click.option("--since", type=Moment(), help="From this time on: ISO 8601, or an age such as 7d.")
@click.option("--until", type=Moment(), help="Up to this time.")
@click.option("--where", type=Condition(), multiple=True, help="Only exchanges with KEY=VALUE; may be repeated.")
@click.option("--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
def report(config_path: Path | None, db: Path | None, style: str, out: Path | None, **scope: Any) -> None:
    """Compare the candidates with the primary: cost, latency, errors.

    \b
    shadow report -c shadow.yaml --since 7d
    shadow report --db shadow.db --by tenant,feature --where tenant=acme --format json
    """
    from shadow.report import as_json, text
    from shadow.store.errors import StoreError
    from shadow.store.reading import ForeignFileError

    if (config_path is None) == (db is None):
        raise click.UsageError("give either -c CONFIG or --db PATH")
    os.nice(REPORT_NICENESS)
    asked = Scope(**scope)
    if asked.since and asked.until and asked.until <= asked.since:
        raise click.UsageError("--until must be later than --since")
    config = None if config_path is None else _read(config_path, secrets=False)
    path = cast("Path", db if config is None else config.store.path)
    try:
        found = _compared(path, asked, always_broken_down=style == "json")
        if not found.candidates:
            _check_candidate(path, asked, {one.name for one in config.candidates} if config else set())
    except StoreError as error:
        hint = "; give a configuration with -c" if db and isinstance(error, ForeignFileError) else ""
        _fail(f"{error}{hint}", EXIT_STORE)
    if style == "json":
        rendered = as_json.render(found)
    else:
        on_terminal = out is None and sys.stdout.isatty()
        width = shutil.get_terminal_size().columns if on_terminal else TEXT_COLUMNS
        rendered = text.render(found, width, colour=on_terminal and "NO_COLOR" not in os.environ)
    if out is None:
        click.echo(rendered, nl=False)
    else:
        _write(out, rendered)


@main.command()
@config_option()
def fingerprint(config_path: Path) -> None:
    """Read an API key from standard input and print its fingerprint for the tenant registry.

    \b
    printf %s "$OPENROUTER_API_KEY" | shadow fingerprint -c shadow.yaml
    """
    from shadow.fingerprint import SecretError, read_or_create_secret
    from shadow.fingerprint import fingerprint as fingerprint_of

    config = _read(config_path, secrets=False)
    if sys.stdin.isatty():
        click.echo("API key (end with Enter): ", err=True, nl=False)
    key = sys.stdin.readline().strip().removeprefix("Bearer ").strip()
    if not key:
        _fail("no API key on standard input")
    path = config.fingerprint_secret_path
    known = path.exists()
    try:
        secret = read_or_create_secret(path)
    except SecretError as error:
        _fail(str(error))
    if not known:
        click.echo(
            f"shadow: made a new secret in {path}; a sidecar with another one gives this key another fingerprint",
            err=True,
        )
    click.echo(fingerprint_of(key, secret))


@main.command()
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where configuration, database and log go; a new temporary directory where not given.",
)
def demo(directory: Path | None) -> None:
    """Run the whole thing against local stand-in providers: traffic, replays, report.

    Takes a few seconds; needs no network and no keys.
    """
    import asyncio
    import tempfile

    from shadow.demo import demo as demonstration

    try:
        if directory is None:
            directory = Path(tempfile.mkdtemp(prefix="shadow-demo-"))
        directory.mkdir(parents=True, exist_ok=True)
        asyncio.run(demonstration.run(directory))
    except (demonstration.DemoError, OSError) as error:
        _fail(str(error))
    except KeyboardInterrupt:
        _fail("stopped", EXIT_INTERRUPTED)


def _read(path: Path, *, secrets: bool = True) -> Config:
    """The configuration in a file; ends the command if it is wrong. Without `secrets` it need not be usable here."""
    try:
        return configfile.parse(configfile.read(path), path.parent.absolute(), secrets=secrets)
    except configfile.ConfigError as error:
        count = len(error.problems)
        _fail(f"{path}: {count} mistake{'s' * (count > 1)}\n" + "\n".join(f"  {problem}" for problem in error.problems))


def _compared(path: Path, asked: Scope, *, always_broken_down: bool) -> "Report":
    """The report. Of traffic without replays the breakdowns are all there is, and nobody need ask for them."""
    from shadow.report.comparison import compare
    from shadow.store import aggregates

    if always_broken_down and not asked.breakdowns:
        asked = replace(asked, breakdowns=BREAKDOWNS)
    found = compare(aggregates.read(path, asked), asked)
    if asked.breakdowns or found.candidates or not found.traffic.exchanges:
        return found
    return _compared(path, asked, always_broken_down=True)


def _check_candidate(path: Path, asked: Scope, configured: set[str]) -> None:
    """A candidate that nobody knows, where there are others, is a slip of the hand."""
    from shadow.report.layout import safe
    from shadow.store import aggregates

    if asked.candidate is None or asked.candidate in configured:
        return
    known = aggregates.arms(path, asked)
    if known and asked.candidate not in known:
        raise click.BadParameter(f"There are replays to: {', '.join(map(safe, known))}.", param_hint="--candidate")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        _fail(f"{path} cannot be written: {error.strerror}")


def _fail(message: str, code: int = EXIT_USAGE) -> NoReturn:
    click.echo(f"shadow: {message}", err=True)
    sys.exit(code)
