"""The `shadow` command: reads files, prints, sets exit codes.

The modules in the order in which the README lists the commands, one for each, then what they share:

    serve        the service itself
    check        would a configuration run, and reach what it names?
    report       the comparison, for people and for programs
    inventory    what the traffic uses: the document that a migration begins with
    export       stored rows for other programs
    erase        a tenant's rows and bodies, everywhere
    replay       stored, consented requests to a candidate that was added later
    fingerprint  an API key as the tenant registry names it
    schema       the tables, as SQL
    demo         the whole thing, without network or keys
    options      types and options that several commands take
    stored       what commands over stored rows share: where these are, which are asked for, where the text goes
    ends         configuration in, text out, and how a command ends
    recorder     the way to the recorder that runs, or to one of the command's own
    writing      rows as files

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
