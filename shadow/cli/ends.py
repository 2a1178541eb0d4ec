"""Where commands begin and end: configuration in, text out, one message and an exit code where it fails."""

import sys
from pathlib import Path
from typing import Final, NoReturn

import click

from shadow import configfile
from shadow.config import Config
from shadow.report.gates import Gates

EXIT_GATE: Final = 1
EXIT_USAGE: Final = 2
EXIT_STORE: Final = 3
EXIT_INTERRUPTED: Final = 130  # as shells report SIGINT


def read(path: Path, *, secrets: bool = True) -> Config:
    """The configuration in a file; ends the command if it is wrong. Without `secrets` it need not be usable here."""
    try:
        return configfile.parse(configfile.read(path), path.parent.absolute(), secrets=secrets)
    except configfile.ConfigError as error:
        _refuse(path, error)


def read_gates(path: Path) -> Gates:
    """The gates in a file; ends the command if they are wrong."""
    try:
        return configfile.validated(Gates, configfile.read(path), "gates")
    except configfile.ConfigError as error:
        _refuse(path, error)


def _refuse(path: Path, error: configfile.ConfigError) -> NoReturn:
    count = len(error.problems)
    fail(f"{path}: {count} mistake{'s' * (count > 1)}\n" + "\n".join(f"  {problem}" for problem in error.problems))


def write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror}")


def fail(message: str, code: int = EXIT_USAGE) -> NoReturn:
    click.echo(f"shadow: {message}", err=True)
    sys.exit(code)
