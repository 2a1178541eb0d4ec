"""The `shadow` command: reads files, prints, sets exit codes. One module for each command, and what they share:

    options    types and options that several commands take
    ends       configuration in, text out, and how a command ends
    recorder   the way to the recorder that runs, or to one of the command's own

Every room is imported by the command that needs it, when it runs: `shadow --help` and the forwarder stay small.

Exit codes: 0 done; 1 a gate did not hold; 2 wrong usage or configuration; 3 could not read the store.
"""

import click

from shadow import __version__
from shadow.cli.check import check
from shadow.cli.demo import demo
from shadow.cli.erase import erase
from shadow.cli.export import export
from shadow.cli.fingerprint import fingerprint
from shadow.cli.inventory import inventory
from shadow.cli.replay import replay
from shadow.cli.report import report
from shadow.cli.schema import schema
from shadow.cli.serve import serve


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="shadow")
def main() -> None:
    """Mirror OpenRouter traffic to candidate providers, and learn what a move would change.

    Try it without keys or network:  shadow demo
    """


for command in (serve, check, report, inventory, export, replay, erase, fingerprint, schema, demo):
    main.add_command(command)
