"""Where commands begin and end: configuration in, text out, one message and an exit code where it fails."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shadow.config import Config
    from shadow.configfile import Problem
    from shadow.report.gates import Gates

EXIT_GATE: Final = 1
EXIT_USAGE: Final = 2
EXIT_STORE: Final = 3
EXIT_INTERRUPTED: Final = 130  # as shells report SIGINT


def read(path: Path, *, secrets: bool = True) -> "Config":
    """The configuration in a file; ends the command if it is wrong. Without `secrets` it need not be usable here."""
    from shadow import configfile

    try:
        return configfile.parse(configfile.read(path), path.parent.absolute(), secrets=secrets)
    except configfile.ConfigError as error:
        _refuse(path, error.problems)


def read_gates(path: Path) -> "Gates":
    """The gates in a file; ends the command if they are wrong."""
    from shadow import configfile
    from shadow.report.gates import Gates

    try:
        return configfile.validated(Gates, configfile.read(path), "gates")
    except configfile.ConfigError as error:
        _refuse(path, error.problems)


def _refuse(path: Path, problems: "Sequence[Problem]") -> NoReturn:
    count = len(problems)
    fail(f"{path}: {count} mistake{'s' * (count > 1)}\n" + "\n".join(f"  {problem}" for problem in problems))


def write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror}")


def fail(message: str, code: int = EXIT_USAGE) -> NoReturn:
    click.echo(f"shadow: {message}", err=True)
    sys.exit(code)
