"""`python -m shadow.demo`: stand-in providers to try things against by hand, until Ctrl-C."""

import asyncio
from pathlib import Path
from typing import Any

import click
import orjson

from shadow.demo.candidates import Candidate
from shadow.demo.misbehaving import MISBEHAVING
from shadow.demo.openrouter import OpenRouter
from shadow.demo.provider import Behaviour, Early, StandIn
from shadow.demo.quirks import QUIRKS
from shadow.demo.recorded import Recorded
from shadow.demo.scenarios import HEADER, MODEL_PREFIX, SCENARIOS

port_option = click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Where to listen; 0: any free port."
)
pace_option = click.option("--pace", type=click.FloatRange(0), default=1.0, help="Stretch pauses; 0 leaves them out.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Stand-in providers on loopback, to try a sidecar or a client against."""


@main.command()
@port_option
@pace_option
def openrouter(port: int, pace: float) -> None:
    """OpenRouter, with a few models and every scenario."""
    behaviour = OpenRouter()
    _serve(behaviour, port, pace, behaviour.early)


@main.command()
@click.argument("kind", type=click.Choice([*QUIRKS, *MISBEHAVING]))
@port_option
@pace_option
def candidate(kind: str, port: int, pace: float) -> None:
    """A candidate with a provider's quirks, or one that misbehaves."""
    behaviour: Behaviour = Candidate(QUIRKS[kind]) if kind in QUIRKS else MISBEHAVING[kind]
    _serve(behaviour, port, pace)


@main.command()
@click.argument("exchanges", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--host", help="Only the exchanges with this host.")
@port_option
@pace_option
def recorded(exchanges: Path, host: str | None, port: int, pace: float) -> None:
    """Recorded exchanges served back, from a file of JSON lines."""
    rows: list[dict[str, Any]] = [orjson.loads(line) for line in exchanges.read_bytes().splitlines()]
    _serve(Recorded([row for row in rows if host in (None, row["host"])]), port, pace)


@main.command()
def scenarios() -> None:
    """List what the stand-in for OpenRouter can do on demand."""
    for scenario in sorted(SCENARIOS.values(), key=lambda scenario: scenario.row):
        click.echo(f"{scenario.name:26} {scenario.method:4} {scenario.path:42} {scenario.about}")
    click.echo(f'\nAsk for one by model ("{MODEL_PREFIX}NAME") or by header ({HEADER}: NAME).')


def _serve(behaviour: Behaviour, port: int, pace: float, early: Early = lambda _: None) -> None:
    async def until_interrupted() -> None:
        async with StandIn(behaviour, early=early, port=port, pace=pace) as stand_in:
            click.echo(f"listening on {stand_in.url}; Ctrl-C ends it", err=True)
            await asyncio.Event().wait()

    try:
        asyncio.run(until_interrupted())
    except KeyboardInterrupt:
        pass
    except OSError as error:
        raise click.ClickException(f"cannot listen on port {port}: {error.strerror}") from error


if __name__ == "__main__":
    main(prog_name="python -m shadow.demo")
