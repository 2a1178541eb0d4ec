"""`shadow serve`: the service itself."""

from pathlib import Path

import click

from shadow.cli.ends import fail, read
from shadow.cli.options import config_option


@click.command()
@config_option()
def serve(config_path: Path) -> None:
    """Run forwarder and recorder until SIGTERM.

    SIGHUP has the configuration read again: candidates, sampling, budgets and the registry change at once, the rest at
    the next start.

    Point the application's base URL at `listen` (http://127.0.0.1:8080/api/v1 by default). Every request goes to
    `upstream.url` unchanged; a sample is replayed to the candidates afterwards.
    """
    config = read(config_path)

    import uvloop

    from shadow import log
    from shadow.fingerprint import SecretError
    from shadow.service import StartError
    from shadow.service import serve as serve_until_stopped

    log.configure("forwarder")
    try:
        uvloop.run(serve_until_stopped(config, config_path))
    except (StartError, SecretError) as error:
        fail(str(error))
