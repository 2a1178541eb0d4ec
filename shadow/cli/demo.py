"""`shadow demo`: the whole thing, without network or keys."""

from pathlib import Path

import click

from shadow.cli.ends import EXIT_INTERRUPTED, fail


@click.command()
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
        fail(str(error))
    except KeyboardInterrupt:
        fail("stopped", EXIT_INTERRUPTED)
