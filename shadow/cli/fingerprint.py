"""`shadow fingerprint`: an API key as the tenant registry names it."""

import sys
from pathlib import Path

import click

from shadow.cli.ends import fail, read
from shadow.cli.options import config_option


@click.command()
@config_option()
def fingerprint(config_path: Path) -> None:
    """Read an API key from standard input and print its fingerprint for the tenant registry.

    \b
    printf %s "$OPENROUTER_API_KEY" | shadow fingerprint -c shadow.yaml
    """
    from shadow.fingerprint import SecretError, read_or_create_secret
    from shadow.fingerprint import fingerprint as fingerprint_of

    config = read(config_path, secrets=False)
    if sys.stdin.isatty():
        click.echo("API key (end with Enter): ", err=True, nl=False)
    key = sys.stdin.readline().strip().removeprefix("Bearer ").strip()
    if not key:
        fail("no API key on standard input")
    path = config.fingerprint_secret_path
    known = path.exists()
    try:
        secret = read_or_create_secret(path)
    except SecretError as error:
        fail(str(error))
    if not known:
        click.echo(
            f"shadow: made a new secret in {path}; a sidecar with another one gives this key another fingerprint",
            err=True,
        )
    click.echo(fingerprint_of(key, secret))
