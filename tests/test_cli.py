"""The command: what it prints, what it refuses, and with which exit code."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from shadow import __version__
from shadow.cli import main
from shadow.cli.ends import EXIT_STORE
from shadow.cli.options import Moment
from shadow.exchange import Recorded
from shadow.fingerprint import fingerprint
from shadow.store.hold import held
from tests.clickhouse import Database
from tests.report.population import exchange, observation, replay, store
from tests.store.clickhouse.fleet import ship_into

# What of all that commands need has been loaded.
LOADED = """
import sys
def loaded(): return sorted(sys.modules.keys() & {"aiohttp", "orjson", "pydantic", "sqlite3", "yaml", "shadow.store"})
"""

SMALLEST = "upstream: {url: 'https://openrouter.ai'}\n"


def shadow(*arguments: str | Path, given: str | None = None) -> Result:
    """What one command prints, and its exit code."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=given)


@pytest.fixture
def niceness(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """To which priorities commands lowered their own."""
    lowered: list[int] = []
    monkeypatch.setattr("os.setpriority", lambda _which, _pid, priority: lowered.append(priority))
    return lowered


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The smallest configuration, in a file."""
    path = tmp_path / "shadow.yaml"
    path.write_text(SMALLEST)
    return path


def test_every_command_explains_itself() -> None:
    """`--help` of each command tells what it is for, and the program's own lists them all."""
    overview = shadow("--help").stdout
    for name, command in main.commands.items():
        assert f"  {name} " in overview
        assert command.help
        assert shadow(name, "--help").exit_code == 0


def test_the_version_is_told() -> None:
    """`--version` names the release."""
    assert shadow("--version").stdout == f"shadow, version {__version__}\n"


def test_check_says_what_would_run(config: Path) -> None:
    """A valid configuration is confirmed with what it means, and nothing is created."""
    result = shadow("check", "-c", config)
    assert result.exit_code == 0
    assert "http://127.0.0.1:8080/… is forwarded to https://openrouter.ai/…" in result.stdout
    assert [path.name for path in config.parent.iterdir()] == ["shadow.yaml"]


def test_check_names_every_mistake(config: Path) -> None:
    """A wrong one ends with code 2 and all mistakes on standard error."""
    config.write_text("upstream: {url: nowhere}\ndrain_s: 0\n")
    result = shadow("check", "-c", config)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        f"shadow: {config}: 2 mistakes",
        "  upstream.url: must be an http:// or https:// URL without user, query or fragment",
        "  drain_s: must be more than 0",
    ]


def test_a_key_becomes_its_fingerprint(config: Path) -> None:
    """The key is read from standard input, with or without line end or scheme; only the fingerprint is printed."""
    told = {shadow("fingerprint", "-c", config, given=given).stdout for given in ("sk-a", "sk-a\n", "Bearer sk-a\n")}
    assert shadow("fingerprint", "-c", config, given="sk-a").stderr == ""
    assert told == {fingerprint("sk-a", (config.parent / "fingerprint.key").read_bytes()) + "\n"}


def test_a_new_secret_is_told(config: Path) -> None:
    """Run where the sidecar does not, the command would print what matches nothing: it says that it made a secret."""
    told = shadow("fingerprint", "-c", config, given="sk-a").stderr
    assert told.startswith(f"shadow: made a new secret in {config.parent}/fingerprint.key")


def test_no_key_is_a_mistake(config: Path) -> None:
    """Nothing on standard input is told apart from an empty key's fingerprint."""
    result = shadow("fingerprint", "-c", config, given="\n")
    assert (result.exit_code, result.stderr) == (2, "shadow: no API key on standard input\n")


@pytest.mark.parametrize("command", ["report", "inventory", "export exchanges"])
def test_reading_gives_way(tmp_path: Path, niceness: list[int], command: str) -> None:
    """In a pod, what reads many rows must not take the processor from requests."""
    shadow(*command.split(), "--db", tmp_path / "none.db")
    assert niceness == [19]


def test_it_gives_way_before_it_loads_anything(tmp_path: Path) -> None:
    """A fifth of a second of imports is a fifth of a second in which clients would wait."""
    code = f"""
from shadow.cli import main, stored
stored.stand_back = lambda: print(loaded())
{LOADED}
main(["report", "--db", {str(tmp_path / "none.db")!r}])
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    assert (ran.returncode, ran.stdout) == (EXIT_STORE, "[]\n")


def test_help_loads_no_room() -> None:
    """It is there at once, whatever the commands need."""
    code = f"from shadow.cli import main\n{LOADED}\nprint(loaded())"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert ran.stdout == "[]\n"


def test_a_missing_store_is_exit_code_3(tmp_path: Path) -> None:
    """The report of a store that is not there says so in one line."""
    result = shadow("report", "--db", tmp_path / "none.db")
    assert result.exit_code == 3
    assert result.stderr == f"shadow: {tmp_path}/none.db cannot be read: No such file or directory\n"


@pytest.mark.parametrize("arguments", [(), ("-c", "a.yaml", "--db", "a.db")])
def test_a_report_has_one_source(arguments: tuple[str, ...]) -> None:
    """Neither source or both are wrong usage."""
    result = shadow("report", *arguments)
    assert result.exit_code == 2
    assert "give either -c CONFIG or --db PATH" in result.stderr


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--by", "tenant,team", "is not a combination of tenant, feature, plan, model"),
        ("--by", "tenant,tenant", "is not a combination of tenant, feature, plan, model"),
        ("--where", "team=a", "is not KEY=VALUE with a KEY of tenant, feature, plan, model"),
        ("--where", "tenant", "is not KEY=VALUE with a KEY of tenant, feature, plan, model"),
        ("--since", "yesterday", "is neither an ISO 8601 time nor an age such as 90m, 24h or 7d"),
    ],
)
def test_wrong_scopes_are_told(option: str, value: str, told: str) -> None:
    """A filter that means nothing is refused with what would."""
    result = shadow("report", "--db", "any.db", option, value)
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.split())


def test_an_empty_store_is_a_report(tmp_path: Path) -> None:
    """A store without exchanges gives a report that says so, in both formats, to the screen or a file."""
    import asyncio

    from shadow.store.sqlite import SQLiteStore

    async def made() -> None:
        await (await SQLiteStore.open(tmp_path / "shadow.db")).close()

    asyncio.run(made())
    assert "No exchanges" in shadow("report", "--db", tmp_path / "shadow.db").stdout
    out = tmp_path / "report.json"
    assert shadow("report", "--db", tmp_path / "shadow.db", "--format", "json", "--out", out).stdout == ""
    assert json.loads(out.read_text())["candidates"] == []


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A store of a few exchanges, some of them replayed to ferry."""
    one, other = exchange(), exchange(tenant="globex")
    return store(
        tmp_path / "shadow.db",
        [Recorded(one, observation(), (replay(one),)), Recorded(other, observation(), (replay(other),))],
    )


def test_segments_are_shown_when_they_are_asked_for(database: Path) -> None:
    """Text ends with how to; programs get them in any case."""
    told = shadow("report", "--db", database).stdout
    assert ("by tenant:" in told, "add --by tenant" in told) == (False, True)
    assert "ferry by tenant:" in shadow("report", "--db", database, "--by", "tenant").stdout
    found = json.loads(shadow("report", "--db", database, "--format", "json").stdout)
    assert found["scope"]["breakdowns"] == [["tenant"], ["feature"], ["model"]]


def test_traffic_without_replays_is_broken_down(tmp_path: Path) -> None:
    """Who called what for how much is all there is to say before a candidate is configured."""
    path = store(tmp_path / "shadow.db", [Recorded(exchange(), observation())])
    told = shadow("report", "--db", path).stdout
    assert [f"Traffic by {by}:" in told for by in ("tenant", "feature", "model", "plan")] == [True, True, True, False]


def test_a_mistyped_candidate_is_wrong_usage(database: Path) -> None:
    """It names those that there are."""
    result = shadow("report", "--db", database, "--candidate", "fery")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "There are replays to: ferry." in result.stderr


def test_a_candidate_that_waits_for_traffic_is_a_report(database: Path, config: Path) -> None:
    """It is configured, and nothing was replayed to it yet; or none of the replays meets the conditions."""
    config.write_text(
        f"upstream: {{url: 'https://openrouter.ai'}}\nstore: {{path: {database}}}\nconsent_default: allow\n"
        "candidates: [{name: fresh, url: 'https://example.com/v1', api_key_env: FRESH_KEY, dialect: openai, "
        "models: {'*': m}}]\n"
    )
    assert "No replays to fresh" in shadow("report", "-c", config, "--candidate", "fresh").stdout
    result = shadow("report", "--db", database, "--candidate", "ferry", "--where", "tenant=nobody")
    assert (result.exit_code, "No exchanges" in result.stdout) == (0, True)


def test_a_period_ends_after_it_begins() -> None:
    """Turned around it would be an empty report."""
    result = shadow("report", "--db", "any.db", "--since", "2026-02-01", "--until", "2026-02-01")
    assert result.exit_code == 2
    assert "--until must be later than --since" in result.stderr


def test_a_configuration_is_no_database(config: Path) -> None:
    """Whoever gives one as a database is told the option for it."""
    result = shadow("report", "--db", config)
    assert result.exit_code == 3
    assert result.stderr == f"shadow: {config} is not a database of this program; give a configuration with -c\n"


def test_times_are_read_as_people_write_them() -> None:
    """ISO 8601 with and without zone, and ages back from now."""
    convert = Moment().convert
    assert convert("2026-11-01", None, None) == datetime(2026, 11, 1, tzinfo=UTC)
    assert convert("2026-11-01T12:00:00+02:00", None, None) == datetime(2026, 11, 1, 10, tzinfo=UTC)
    before = datetime.now(UTC)
    assert before - timedelta(days=7) <= convert("7d", None, None) <= datetime.now(UTC) - timedelta(days=7)
    for nonsense in ("7 parsecs", "99999999999d"):
        with pytest.raises(click.BadParameter):
            convert(nonsense, None, None)


def test_the_tables_are_printed() -> None:
    """SQLite's, or ClickHouse's in a database of one's own, for replicas too."""
    assert "CREATE TABLE exchanges (" in shadow("schema").output
    assert (
        "CREATE TABLE IF NOT EXISTS fleet.exchanges (" in shadow("schema", "--clickhouse", "--database", "fleet").output
    )
    assert "ReplicatedReplacingMergeTree" in shadow("schema", "--clickhouse", "--replicated").output


@pytest.mark.parametrize("arguments", [("--replicated",), ("--clickhouse", "--database", "a b")])
def test_tables_that_cannot_be_are_wrong_usage(arguments: tuple[str, ...]) -> None:
    """SQLite has no replicas, and a name is one."""
    assert shadow("schema", *arguments).exit_code == 2


def test_erase_removes_a_tenant(tmp_path: Path, nobody: str) -> None:
    """Counted before and after; the exit code is 0 once nothing of the tenant is left, and others stay."""
    (tmp_path / "shadow.yaml").write_text(SMALLEST + f"admin: {{listen: '{nobody}'}}\n")
    population = [
        Recorded(exchange(1_780_000_000.0 + number, tenant=tenant), observation())
        for number, tenant in enumerate("aab")
    ]
    store(tmp_path / "shadow.db", population)
    result = shadow("erase", "-c", tmp_path / "shadow.yaml", "--tenant", "a", "--yes")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        f"before: 2 exchanges, 0 replays, 0 bodies of 'a' in {tmp_path}/shadow.db",
        "after: 0 exchanges, 0 replays, 0 bodies",
        "Overwritten in the file and its log.",
    ]
    again = shadow("erase", "-c", tmp_path / "shadow.yaml", "--tenant", "b", given="n\n")
    assert (again.exit_code, again.stderr) == (2, "shadow: nothing was erased\n")
    assert "before: 1 exchanges" in again.stdout


def test_erase_keeps_off_a_store_of_another(tmp_path: Path, nobody: str) -> None:
    """It overwrites parts of the file: no recorder may have it, nor take it meanwhile."""
    (tmp_path / "shadow.yaml").write_text(SMALLEST + f"admin: {{listen: '{nobody}'}}\n")
    with held(store(tmp_path / "shadow.db", [Recorded(exchange(1_780_000_000.0, tenant="a"), observation())])):
        result = shadow("erase", "-c", tmp_path / "shadow.yaml", "--tenant", "a", "--yes")
    assert result.exit_code == EXIT_STORE
    assert "not erased: another recorder writes to" in result.stderr


def test_erase_needs_a_store(config: Path) -> None:
    """Where there is none, nothing was erased, and the exit code says so."""
    result = shadow("erase", "-c", config, "--tenant", "a", "--yes")
    assert result.exit_code == 3
    assert "not erased: " in result.stderr


def test_a_report_on_a_fleet_is_read_where_its_rows_meet(database: Path, clickhouse_database: Database) -> None:
    """With ClickHouse in the configuration, the rows of all pods; with --db this pod's."""
    ship_into(database, clickhouse_database)
    settings = f"{{url: '{clickhouse_database.server.url}', database: {clickhouse_database.name}}}"
    config = database.with_name("fleet.yaml")
    config.write_text(f"{SMALLEST}store: {{path: nothing.db, clickhouse: {settings}}}\n")
    assert (
        shadow("report", "-c", config, "--by", "tenant").output
        == shadow("report", "--db", database, "--by", "tenant").output
    )


def test_a_clickhouse_that_cannot_be_reached_is_exit_code_3(tmp_path: Path) -> None:
    """With a sentence that says where."""
    config = tmp_path / "shadow.yaml"
    config.write_text(SMALLEST + "store: {clickhouse: {url: 'http://127.0.0.1:1'}}\n")
    found = shadow("report", "-c", config)
    assert (found.exit_code, found.output) == (
        3,
        "shadow: http://127.0.0.1:1 cannot be reached: ClientConnectorError\n",
    )


def test_a_fleet_without_tables_is_exit_code_3(tmp_path: Path, clickhouse_database: Database) -> None:
    """Nothing was ever shipped there, or to another database."""
    config = tmp_path / "shadow.yaml"
    settings = f"{{url: '{clickhouse_database.server.url}', database: {clickhouse_database.name}}}"
    config.write_text(f"{SMALLEST}store: {{clickhouse: {settings}}}\n")
    found = shadow("report", "-c", config)
    assert found.exit_code == 3
    assert "lacks tables" in found.output


def test_check_reads_the_whole_database(config: Path, tmp_path: Path) -> None:
    """Table by table; the exit code says where one is damaged, and the message what to do."""
    path = store(
        tmp_path / "shadow.db", [Recorded(exchange(float(at)), observation()) for at in range(10**9, 10**9 + 500)]
    )
    well = shadow("check", "-c", config, "--full")
    assert (well.exit_code, "  exchanges: ok" in well.stdout) == (0, True)
    with path.open("r+b") as file:
        file.seek(40_000)
        file.write(b"\x0a" * 30_000)
    damaged = shadow("check", "-c", config, "--full")
    assert damaged.exit_code == 3
    assert "stop the service and move the file away" in damaged.stderr


def test_the_inventory_has_every_section(tmp_path: Path, config: Path) -> None:
    """With and without a configuration; the registry's words come from the configuration alone."""
    path = store(tmp_path / "shadow.db", [Recorded(exchange(), observation())])
    alone = json.loads(shadow("inventory", "--db", path, "--format", "json").stdout)
    assert list(alone["sections"]) == [
        *("models", "tenants", "features", "keys", "tokens", "costs", "dependencies", "compatibility"),
    ]
    config.write_text(f"{SMALLEST}registry: tenants.yaml\nstore: {{path: {path}}}\n")
    (tmp_path / "tenants.yaml").write_text("tenants: {acme: {billing_owner: pay@acme.example}}")
    told = shadow("inventory", "-c", config, "--format", "markdown", "--out", tmp_path / "inventory.md")
    assert (told.exit_code, told.stdout) == (0, "")
    assert "pay@acme.example" in (tmp_path / "inventory.md").read_text()


def test_an_inventory_of_nothing_is_exit_code_3(tmp_path: Path) -> None:
    """A store that is not there is told, as for a report."""
    assert shadow("inventory", "--db", tmp_path / "none.db").exit_code == 3
