"""The configuration: what is accepted, and how mistakes are told."""

from dataclasses import FrozenInstanceError
from decimal import Decimal
from pathlib import Path

import pytest

from shadow import configfile
from shadow.config import Config
from shadow.configfile import ConfigError, parse, read
from shadow.fingerprint import fingerprint
from shadow.values import Address

HERE = Path("/etc/shadow")
SMALLEST = "upstream: {url: 'https://openrouter.ai'}"
CANDIDATE = SMALLEST + "\nconsent_default: deny\ncandidates: [{name: ferry, url: 'http://ferry/v1', models: {}}]"


def problems(text: str, environment: dict[str, str] | None = None, directory: Path = HERE) -> list[str]:
    """The mistakes that `text` is refused with."""
    with pytest.raises(ConfigError) as refused:
        parse(text, directory, environment or {})
    return [str(problem) for problem in refused.value.problems]


def test_only_the_upstream_is_required() -> None:
    """A configuration that names the upstream and nothing else is complete, with loopback ports and no candidates."""
    config = parse(SMALLEST, HERE, {})
    assert (config.listen, config.admin.listen) == (Address("127.0.0.1", 8080), Address("127.0.0.1", 9090))
    assert config.candidates == ()
    assert config.store.path == HERE / "shadow.db"


def test_every_mistake_is_named_at_once() -> None:
    """Mistakes in different places come together, each with its key path."""
    text = "upstrem: 1\nlisten: nowhere\nupstream: {url: 'ftp://x', connect_timeout_s: 0}\nhandoff: {max_delay_ms: 0}"
    assert problems(text) == [
        "listen: must be an address such as 127.0.0.1:8080",
        "upstream.url: must be an http:// or https:// URL without user, query or fragment",
        "upstream.connect_timeout_s: must be more than 0",
        "handoff.max_delay_ms: must be at least 1",
        "upstrem: unknown key",
    ]


def test_mistakes_are_told_in_words_of_the_file() -> None:
    """No message speaks of the validator's types."""
    text = """
        upstream: {url: 'http://a', prices: {m: {input: x, output: -1, since: soon}, n: []}, delayed_cost: perhaps}
        capture: {bodies: all}
        candidates: [{name: a, url: 'http://a', models: [], dialect: klingon, max_concurrency: 1.5, sample: {rate: 2}}]
        store: {path: 3, retention_days: x}
        consent_default: deny
        drain_s: soon
    """
    told = problems(text)
    assert len(told) == 13
    assert not [problem for problem in told if "nput should" in problem or "valid" in problem]


def test_a_path_that_clients_send_is_not_given_twice() -> None:
    """OpenRouter's base URL, pasted as clients have it, would make /api/v1/api/v1."""
    [problem] = problems("upstream: {url: 'https://openrouter.ai/api/v1'}")
    assert problem == "upstream.url: leave the path out: that of a request is kept, and clients send /api/v1/…"


def test_who_reads_reports_needs_no_secrets() -> None:
    """Without a candidate's key the configuration still says where the store is."""
    text = CANDIDATE.replace("models", "api_key_env: FERRY_KEY, models")
    assert parse(text, HERE, {}, secrets=False).store.path == HERE / "shadow.db"


def test_a_missing_upstream_is_named() -> None:
    """An empty file says what is required."""
    assert problems("") == ["upstream: is required"]


def test_broken_yaml_names_its_line() -> None:
    """A syntax error points at the line and column."""
    assert problems("upstream: {url: x") == [
        "configuration: is not YAML: expected ',' or '}', but got '<stream end>' (line 1, column 18)"
    ]


def test_a_key_given_twice_is_a_mistake() -> None:
    """YAML would silently take the last one."""
    [problem] = problems("upstream: {url: 'http://a'}\nupstream: {url: 'http://b'}")
    assert problem == "configuration: is not YAML: the key 'upstream' is given twice (line 2, column 1)"


@pytest.mark.parametrize("text", ["- a", "just text", "3"])
def test_a_file_that_is_no_mapping_is_refused(text: str) -> None:
    """A list or a scalar at the top is a mistake of the whole file."""
    assert problems(text) == ["configuration: must be a mapping of keys to values"]


def test_variables_are_replaced_from_the_environment() -> None:
    """`${VAR}` in any text is replaced; one that is not set is named with its key path."""
    text = "upstream: {url: 'https://${HOST}'}"
    assert parse(text, HERE, {"HOST": "openrouter.ai"}).upstream.url == "https://openrouter.ai"
    assert problems(text)[0] == "upstream.url: the environment variable HOST is not set"


def test_a_secret_that_is_not_there_is_named() -> None:
    """A candidate's key that is in neither environment nor file stops the start; its value is never shown."""
    text = CANDIDATE.replace("models", "api_key_env: FERRY_KEY, models")
    assert problems(text) == ["candidates.0.api_key_env: the environment variable FERRY_KEY is not set"]
    assert parse(text, HERE, {"FERRY_KEY": "sk"}).candidates[0].api_key_env == "FERRY_KEY"


def test_a_rotating_key_file_is_read_anew(tmp_path: Path) -> None:
    """A key in a file is what the file says now."""
    (tmp_path / "key").write_text("one\n")
    text = CANDIDATE.replace("models", "api_key_file: key, models")
    candidate = parse(text, tmp_path, {}).candidates[0]
    assert candidate.api_key() == "one"
    (tmp_path / "key").write_text("two\n")
    assert candidate.api_key() == "two"


def test_a_candidate_needs_a_word_on_consent() -> None:
    """Prompts reach a new processor only after someone wrote down the default."""
    [problem] = problems(CANDIDATE.replace("consent_default: deny\n", ""))
    assert problem == "consent_default: write `allow` or `deny`: what holds for tenants the registry says nothing of"


def test_two_candidates_cannot_share_a_name() -> None:
    """Names are labels and column values; the arms of the comparison are reserved."""
    twice = CANDIDATE.replace("models: {}}]", "models: {}}, {name: ferry, url: 'http://b/v1', models: {}}]")
    assert problems(twice) == ["candidates: the name ferry is given twice"]
    assert "neither primary nor control" in problems(CANDIDATE.replace("ferry,", "primary,"))[0]


def test_a_rule_names_one_place() -> None:
    """An attribution rule with two places, or none, is refused."""
    text = SMALLEST + "\nattribution: {tenant: [{header: A, query: b}, {}]}"
    expected = "a rule names exactly one of: header, key, query, path_prefix, body"
    assert problems(text) == [f"attribution.tenant.0: {expected}", f"attribution.tenant.1: {expected}"]


def test_prices_are_exact_decimals_with_dates() -> None:
    """A price is read as written; several for one model hold from their days on."""
    text = SMALLEST.replace(
        "}", ", prices: {m: [{input: 0.1, output: 2}, {since: 2026-12-01, input: 0.3, output: 1}]}}"
    )
    first, second = parse(text, HERE, {}).upstream.prices["m"]
    assert (first.input, first.since) == (Decimal("0.1"), None)
    assert str(second.since) == "2026-12-01"


def test_the_registry_is_a_file_beside_the_configuration(tmp_path: Path) -> None:
    """Tenants with their keys, plans and consents come from their own file; an unknown candidate in it is named."""
    keys = ["ab" * 16, "cd" * 16]
    (tmp_path / "tenants.yaml").write_text(f"tenants: {{acme: {{plan: pro, keys: {keys}, consent: [ferry]}}}}")
    config = parse(CANDIDATE + "\nregistry: tenants.yaml", tmp_path, {})
    assert config.registry.owners == dict.fromkeys(keys, "acme")
    assert problems(SMALLEST + "\nregistry: tenants.yaml", directory=tmp_path) == [
        "registry.tenants.acme.consent: there is no candidate 'ferry'"
    ]


def test_a_registry_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A missing registry is a mistake of the key that names it."""
    [problem] = problems(SMALLEST + "\nregistry: nobody.yaml", directory=tmp_path)
    assert problem == f"registry: {tmp_path}/nobody.yaml cannot be read: No such file or directory"


def test_a_key_has_one_owner(tmp_path: Path) -> None:
    """The same fingerprint under two tenants would make attribution a matter of order."""
    key = "ab" * 16
    (tmp_path / "tenants.yaml").write_text(f"tenants: {{a: {{keys: [{key}]}}, b: {{keys: [{key}]}}}}")
    assert problems(SMALLEST + "\nregistry: tenants.yaml", directory=tmp_path) == [
        f"registry: the key {key} belongs to both a and b"
    ]


def test_an_api_key_is_no_fingerprint(tmp_path: Path) -> None:
    """A key that was pasted in the place of its fingerprint is refused, and not repeated."""
    (tmp_path / "tenants.yaml").write_text("tenants: {a: {keys: [sk-or-v1-canary]}}")
    [problem] = problems(SMALLEST + "\nregistry: tenants.yaml", directory=tmp_path)
    assert problem.startswith("registry.tenants.a.keys.0: must be a fingerprint")
    assert "canary" not in problem


def test_the_handoff_takes_the_largest_exchange() -> None:
    """A bound below one exchange would drop it for ever, and quietly."""
    [problem] = problems(SMALLEST + "\nhandoff: {max_bytes: 8MiB}")
    assert problem.startswith("handoff: max_bytes must be at least 17301504")


def test_values_are_not_repeated_in_mistakes() -> None:
    """What was written may be a secret that slipped into the wrong place."""
    canary = "sk-or-v1-canary"
    told = problems(f"{SMALLEST}\nhandoff: {canary}\ndrain_s: {canary}\nlisten: {canary}\nadmin: {{listen: {canary}}}")
    assert len(told) == 4
    assert not [problem for problem in told if canary in problem]


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    """A configuration that is not there says so with its path."""
    with pytest.raises(ConfigError) as refused:
        read(tmp_path / "none.yaml")
    assert str(refused.value) == f"{tmp_path}/none.yaml: cannot be read: No such file or directory"


def test_the_configuration_is_frozen() -> None:
    """Nothing changes a configuration after it was read."""
    config: Config = parse(SMALLEST, HERE, {})
    with pytest.raises(FrozenInstanceError):
        config.drain_s = 1  # type: ignore[misc]


def test_patterns_of_redaction_are_checked() -> None:
    """What the engine does not understand, and what would match everywhere, is told at the start."""
    assert problems(SMALLEST + "\ncapture: {redact: ['ok', '(?=x)', 'x*', 3]}") == [
        "capture.redact.1: is not a pattern of RE2: invalid perl operator: (?=",
        "capture.redact.2: must not match where there is nothing",
        "capture.redact.3: must be text",
    ]


CLICKHOUSE = SMALLEST + "\nstore: {clickhouse: {url: 'http://clickhouse:8123'"


def test_secrets_of_clickhouse_must_be_there(tmp_path: Path) -> None:
    """User and password are named, and a name that leads nowhere is told before rows have to wait for it."""
    text = CLICKHOUSE + ", user_env: CH_USER, password_file: password}}"
    assert problems(text, directory=tmp_path) == [
        "store.clickhouse.user_env: the environment variable CH_USER is not set",
        f"store.clickhouse.password_file: {tmp_path}/password cannot be read",
    ]


@pytest.mark.parametrize("database", ["", "a b", "x;DROP DATABASE y", "1st", "x" * 65])
def test_a_database_is_an_identifier(database: str) -> None:
    """It stands in statements as it is."""
    text = CLICKHOUSE + f", database: '{database}'}}}}"
    expected = "must be a name of letters, digits and underscores, of up to 64"
    assert problems(text) == [f"store.clickhouse.database: {expected}"]


def test_a_password_has_one_place(tmp_path: Path) -> None:
    """Of two places one would be forgotten when it changes."""
    text = CLICKHOUSE + ", password_env: CH, password_file: password}}"
    assert problems(text, {"CH": "x"}, tmp_path) == ["store.clickhouse: give password_env or password_file, not both"]


def test_traces_need_their_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector that nothing could send to is a mistake that says what to install."""
    monkeypatch.setattr(configfile, "find_spec", lambda _: None)
    [problem] = problems(SMALLEST + "\notel: {endpoint: 'http://otel:4318'}")
    assert problem == "otel: is not installed: install the package with its extra, shadow-sidecar[otel]"


def test_headers_of_traces_are_checked() -> None:
    """What the collector is to be shown must be there, in one place."""
    [unset] = problems(SMALLEST + "\notel: {endpoint: 'http://otel:4318', headers_env: NOBODY_SETS_THIS}")
    assert unset == "otel.headers_env: the environment variable NOBODY_SETS_THIS is not set"
    [twice] = problems(SMALLEST + "\notel: {endpoint: 'http://otel:4318', headers_env: A, headers_file: b}")
    assert twice == "otel: give headers_env or headers_file, not both"


CONTROL = SMALLEST + "\nconsent_default: deny\ncontrol: {url: 'https://openrouter.ai/api/v1', api_key_env: SHADOW_KEY}"


def test_a_control_is_an_arm_with_a_name_of_its_own() -> None:
    """It is replayed to beside the candidates."""
    config = parse(CONTROL, HERE, {"SHADOW_KEY": "sk-or-v1-own"})
    assert [arm.name for arm in config.arms] == ["control"]
    assert config.candidates == ()


def test_a_control_needs_a_key_and_a_word_on_consent() -> None:
    """Under the client's key it must not replay, and prompts are sent once more."""
    assert problems(CONTROL) == ["control.api_key_env: the environment variable SHADOW_KEY is not set"]
    [key] = problems(CONTROL.replace(", api_key_env: SHADOW_KEY", ""))
    assert key == "control: give api_key_env or api_key_file: the control needs a key that no client uses"
    [consent] = problems(CONTROL.replace("consent_default: deny", ""), {"SHADOW_KEY": "x"})
    assert consent.startswith("consent_default: write")


@pytest.mark.parametrize("place", ["api_key_env", "api_key_file"])
def test_a_control_under_a_clients_key_is_refused(tmp_path: Path, place: str) -> None:
    """A key that the registry gives to a tenant is a mistake, with the reason and without the key; another is not."""
    (tmp_path / "fingerprint.key").write_text("secret\n")
    (tmp_path / "key").write_text("sk-or-v1-shared\n")
    owned = fingerprint("sk-or-v1-shared", b"secret")
    (tmp_path / "tenants.yaml").write_text(f"tenants: {{acme: {{keys: [{owned}], consent: [control]}}}}")
    text = CONTROL + "\nregistry: tenants.yaml"
    text = text.replace("api_key_env: SHADOW_KEY", "api_key_file: key") if place == "api_key_file" else text
    [problem] = problems(text, {"SHADOW_KEY": "sk-or-v1-shared"}, tmp_path)
    assert problem.startswith(f"control.{place}: this is a key of acme in the registry: OpenRouter holds what running")
    assert "sk-or-v1" not in problem
    (tmp_path / "key").write_text("sk-or-v1-own\n")
    assert parse(text, tmp_path, {"SHADOW_KEY": "sk-or-v1-own"}).control is not None


def test_budgets_are_exact_dollars() -> None:
    """0.1 is a tenth of a dollar and no binary fraction; without one there is no budget."""
    assert parse(CANDIDATE, HERE, {}).candidates[0].budget_usd_per_day is None
    text = CANDIDATE.replace("models: {}", "models: {}, budget_usd_per_day: 0.1")
    assert parse(text, HERE, {}).candidates[0].budget_usd_per_day == Decimal("0.1")
    text = CANDIDATE.replace("models: {}", "models: {}, budget_usd_per_day: -1")
    assert problems(text) == ["candidates.0.budget_usd_per_day: must be at least 0"]


def test_a_floor_needs_a_rate() -> None:
    """Where the rate is 0 nothing is ever replayed, so that a floor alone would do nothing."""
    text = CANDIDATE.replace("models: {}", "models: {}, sample: {floor_per_hour: 5}")
    [problem] = problems(text)
    assert problem.startswith("candidates.0.sample.floor_per_hour: give a rate above 0")
    rule = "sample: {floor_per_hour: 5, rules: [{where: {plan: pro}, rate: 0.1}]}"
    assert parse(CANDIDATE.replace("models: {}", f"models: {{}}, {rule}"), HERE, {}).candidates[0].sample.rate == 0
