"""`shadow schema`: the tables, as SQL."""

import click


@click.command()
@click.option("--clickhouse", is_flag=True, help="ClickHouse's tables instead of SQLite's.")
@click.option("--database", help="ClickHouse's database; shadow where not given.")
@click.option("--replicated", is_flag=True, help="For replicas: to be run on each, with its macros shard and replica.")
def schema(clickhouse: bool, database: str | None, replicated: bool) -> None:
    """Print the tables, for those who let no pod create them.

    \b
    shadow schema --clickhouse | clickhouse-client --multiquery
    """
    from shadow.store import schema as sqlite
    from shadow.store.clickhouse.schema import DATABASE, script
    from shadow.values import DATABASE as IDENTIFIER

    if not clickhouse:
        if database or replicated:
            raise click.UsageError("--database and --replicated are about --clickhouse")
        click.echo(sqlite.script(), nl=False)
        return
    if database and not IDENTIFIER.fullmatch(database):
        raise click.BadParameter("must be a name of letters, digits and underscores", param_hint="--database")
    click.echo(script(database or DATABASE, replicated=replicated), nl=False)
