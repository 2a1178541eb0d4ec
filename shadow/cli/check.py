"""`shadow check`: would this configuration run?"""

from pathlib import Path

import click

from shadow.cli.ends import read
from shadow.cli.options import config_option


@click.command()
@config_option()
def check(config_path: Path) -> None:
    """Validate a configuration: every mistake at once, with its key path."""
    config = read(config_path)
    click.echo(f"{config_path}: ok")
    click.echo(f"  http://{config.listen}/… is forwarded to {config.upstream.url}/…")
    for candidate in config.candidates:
        click.echo(f"  {candidate.sample.rate:.2%} of conversations are replayed to {candidate.name} ({candidate.url})")
    click.echo(f"  rows are kept in {config.store.path}; {len(config.registry.tenants)} tenants are registered")
