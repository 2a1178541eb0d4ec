"""The configuration: frozen records, with what each key means, its unit, its default and its bounds.

`shadow.configfile` fills them from YAML and reports mistakes; bounds are stated here as annotations that it enforces.
Secrets are named (`api_key_env`, `api_key_file`), never held. Plain records, so that the recorder can be handed the
forwarder's configuration without reading any file again.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import unquote

from annotated_types import Ge, Le, MinLen

from shadow.exchange import CONTROL, PRIMARY
from shadow.values import (
    Address,
    BaseUrl,
    ByteSize,
    Database,
    Dollars,
    Fingerprint,
    HeaderName,
    ListenAddress,
    Parsed,
    Pattern,
    Rate,
    Seconds,
    section,
)

# What an endpoint accepts and how it reports usage. `generic` is the cautious choice for an unknown server.
Dialect = Literal[
    "openai", "azure", "anthropic", "google", "mistral", "groq", "deepseek", "together", "fireworks", "xai",
    "vllm", "sglang", "llama.cpp", "ollama", "litellm", "generic",
]  # fmt: skip
Promise = Literal["zdr", "no_data_collection", "no_distillation"]

BESIDE_BODIES_BYTES: Final = 512 << 10  # what a frame holds beside two bodies: 20,000 arrivals are 320 KB

ARM_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")  # a metric label and a column value: short and plain


def _secret(variable: str | None, file: Path | None) -> str | None:
    """What a file or an environment variable holds, as it is now. Raises OSError or KeyError where it cannot be had."""
    if file is not None:
        return file.read_text().strip()
    return os.environ[variable] if variable else None


@section
class Price:
    """US dollars per million tokens. What is not given costs what `input` costs; `request` is dollars per call."""

    input: Dollars
    output: Dollars
    cache_read: Dollars | None = None
    cache_write: Dollars | None = None
    request: Dollars = Decimal(0)
    since: date | None = None  # in force from this UTC day; None: always


def _price_list(value: object) -> object:
    return value if isinstance(value, list | tuple) else (value,)


PriceList = Annotated[tuple[Price, ...], Parsed(_price_list), MinLen(1)]  # one price may stand without brackets
Prices = Mapping[str, PriceList]  # by model name, as the arm's answer or request names it


@section
class Admin:
    listen: ListenAddress = Address("127.0.0.1", 9090)
    token_file: Path | None = None  # asked for on every page but health and metrics


@section
class Upstream:
    url: BaseUrl
    connect_timeout_s: Seconds = 5
    ca_file: Path | None = None  # PEM: an authority trusted besides the system's
    read_timeout_s: Seconds = 900  # between two reads, not in all: clients give up after 600 s by themselves
    # Ask OpenRouter for the cost of a stream that ended without it. Costs its key a few requests, and holds the key.
    delayed_cost: bool = False
    privacy: tuple[Promise, ...] = ()  # what the account's settings demand of whoever sees a prompt; bodies say nothing
    prices: Prices = field(default_factory=dict)

    def __post_init__(self) -> None:
        host, _, path = self.url.partition("://")[2].partition("/")
        if path and host.endswith("openrouter.ai"):
            raise ValueError("url: leave the path out: that of a request is kept, and clients send /api/v1/…")


@section
class Rule:
    """One place to look for a tenant or feature: exactly one of these. The first rule that finds a value wins.

    `body` rules run in the recorder, after all others, because the forwarder reads no bodies.
    """

    header: HeaderName | None = None
    key: Literal[True] | None = None  # the registry's owner of the API key
    query: str | None = None
    path_prefix: str | None = None  # the value is the path segment that follows
    body: str | None = None  # a dotted path into the JSON request, such as `metadata.feature`

    def __post_init__(self) -> None:
        places = (self.header, self.key, self.query, self.path_prefix, self.body)
        if sum(place is not None for place in places) != 1:
            raise ValueError("a rule names exactly one of: header, key, query, path_prefix, body")


@section
class TagHeaders:
    """Names of the headers that carry the resolved values upstream; null turns a tag off."""

    tenant: HeaderName | None = "X-Tenant-Id"
    feature: HeaderName | None = "X-Feature"


@section
class AttributionRules:
    tenant: tuple[Rule, ...] = (Rule(header="X-Tenant-Id"), Rule(key=True))
    feature: tuple[Rule, ...] = (Rule(header="X-Feature"),)
    tag_headers: TagHeaders = TagHeaders()

    def __post_init__(self) -> None:
        if any(rule.key for rule in self.feature):
            raise ValueError("feature: a key belongs to a tenant, not to a feature; remove `key: true`")


@section
class Where:
    """Which exchanges a sampling rule is about: all that is named must match; globs (`gpt-*`) are allowed."""

    tenant: str | None = None
    feature: str | None = None
    plan: str | None = None
    model: str | None = None


@section
class SampleRule:
    where: Where
    rate: Rate


@section
class Sample:
    """How much of the traffic is replayed. The first rule that matches decides, else `rate`; 0 means never.

    Of each tenant's feature on each model, the first `floor_per_hour` exchanges are replayed for certain.
    """

    rate: Rate = 0.0
    floor_per_hour: Annotated[int, Ge(0), Le(1000)] = 0
    rules: tuple[SampleRule, ...] = ()

    def __post_init__(self) -> None:
        if self.floor_per_hour and not any((self.rate, *(rule.rate for rule in self.rules))):
            raise ValueError("floor_per_hour: give a rate above 0, too: where the rate is 0 nothing is ever replayed")


@section
class Replayed:
    """What every arm has that is replayed to. Its URL and key come from here only, never from a request."""

    name: str
    url: BaseUrl
    api_key_env: str | None = None
    api_key_file: Path | None = None
    prices: Prices = field(default_factory=dict)
    sample: Sample = Sample()
    budget_usd_per_day: Dollars | None = None  # of each pod, by UTC day; None: nothing bounds the cost but the rate
    # With a budget, what bounds the answer where the request does not: sent, and reserved. Some models take no more.
    max_output_tokens: Annotated[int, Ge(1)] = 8192
    max_concurrency: Annotated[int, Ge(1), Le(1000)] = 8
    deadline_s: Seconds = 300  # queueing and sending together
    compliant: tuple[Promise, ...] = ()  # what the processor promises of every prompt it is sent

    def __post_init__(self) -> None:
        if self.api_key_env and self.api_key_file:
            raise ValueError("give api_key_env or api_key_file, not both")

    def api_key(self) -> str | None:
        """The key as it is now (files may rotate); None where the endpoint takes none.

        Raises OSError or KeyError where the named secret cannot be had.
        """
        return _secret(self.api_key_env, self.api_key_file)


@section
class Candidate(Replayed):
    """An arm under evaluation."""

    dialect: Dialect = "generic"
    models: Mapping[str, str | None]  # request or answer model (name, then glob) → the candidate's; null: not replayed
    context_tokens: Annotated[int, Ge(1)] | None = None  # longer prompts are not replayed; None: not checked

    def __post_init__(self) -> None:
        Replayed.__post_init__(self)
        if not ARM_NAME.fullmatch(self.name) or self.name in (PRIMARY, CONTROL):
            raise ValueError(f"name: {self.name!r} must be up to 32 of a-z 0-9 _ - and neither {PRIMARY} nor {CONTROL}")


@section
class Control(Replayed):
    """The same request to OpenRouter once more, to see how much answers differ by themselves.

    Its key must not be one that clients use, and should be of an account of its own: OpenRouter holds what running
    requests may cost against the balance of their account, and refuses what exceeds it.
    """

    name: Literal["control"] = CONTROL

    def __post_init__(self) -> None:
        Replayed.__post_init__(self)
        if not (self.api_key_env or self.api_key_file):
            raise ValueError("give api_key_env or api_key_file: the control needs a key that no client uses")


@section
class Capture:
    max_bytes: Annotated[ByteSize, Ge(64 << 10)] = 8 << 20  # per body: head and tail of a longer one are kept
    bodies: Literal["none", "consented"] = "none"  # consented: kept for tenants whose registry entry says so
    bodies_max_bytes: Annotated[ByteSize, Ge(1 << 10)] = 1 << 20  # of one body's text: a longer one is shortened
    bodies_retention_days: Annotated[int, Ge(1)] = 7  # or as long as their rows, where those go earlier
    redact: tuple[Pattern, ...] = ()  # RE2: what matches is replaced before a body is kept


@section
class ClickHouse:
    """Where the rows of many pods meet. User and password are named, not held, and may rotate in their files."""

    url: BaseUrl
    database: Database = "shadow"
    user_env: str | None = None
    user_file: Path | None = None
    password_env: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None  # PEM: an authority trusted besides the system's
    create_tables: bool = True  # false: someone runs what `shadow schema --clickhouse` prints
    max_delay_s: Annotated[float, Ge(0.1), Le(3600)] = 5  # a row is there about this much later

    def __post_init__(self) -> None:
        for name in ("user", "password"):
            if getattr(self, f"{name}_env") and getattr(self, f"{name}_file"):
                raise ValueError(f"give {name}_env or {name}_file, not both")

    @property
    def target(self) -> str:
        """Where rows go: shipped to another one, all rows are shipped again."""
        return f"{self.url}/{self.database}"

    def user(self) -> str | None:
        """Who asks, as it is now; None: the server's default. Raises OSError or KeyError where it cannot be had."""
        return _secret(self.user_env, self.user_file)

    def password(self) -> str | None:
        """The password as it is now; None where there is none. Raises OSError or KeyError where it cannot be had."""
        return _secret(self.password_env, self.password_file)


@section
class Storage:
    path: Path = Path("shadow.db")
    retention_days: Annotated[int, Ge(1)] | None = 35
    max_bytes: Annotated[ByteSize, Ge(16 << 20)] | None = None  # of the database; then the oldest goes
    clickhouse: ClickHouse | None = None

    @property
    def ship_to(self) -> str | None:
        """Where rows go besides, by a name that tells one place from another; None: nowhere."""
        return self.clickhouse.target if self.clickhouse else None


@section
class Handoff:
    max_bytes: ByteSize = 64 << 20  # ten minutes of 4 KB exchanges at 25/s; then the newest are dropped
    max_delay_ms: Annotated[int, Ge(1), Le(10_000)] = 200


@section
class Metrics:
    # Series of each metric with labels from outside (tenant, feature, model); then they become `other`. With 1,000 of
    # each, a page is 2.9 MB and takes the recorder 0.4 s of processor time; the forwarder waits 2 s for it.
    max_series: Annotated[int, Ge(1), Le(2000)] = 1000


METRICS: Final = Metrics()


@section
class Otel:
    """An OpenTelemetry collector that takes traces over OTLP/HTTP. Needs the extra `otel`."""

    endpoint: BaseUrl  # without /v1/traces
    headers_env: str | None = None  # `name=value,name=value`, values percent-encoded, as in OTEL_EXPORTER_OTLP_HEADERS
    headers_file: Path | None = None

    def __post_init__(self) -> None:
        if self.headers_env and self.headers_file:
            raise ValueError("give headers_env or headers_file, not both")

    def headers(self) -> dict[str, str]:
        """What authorises the sender. Raises OSError or KeyError where it cannot be had."""
        said = _secret(self.headers_env, self.headers_file) or ""
        pairs = (pair.partition("=") for pair in said.split(",") if "=" in pair)
        return {name.strip().lower(): unquote(value.strip()) for name, _, value in pairs}


@section
class Tenant:
    """What the registry says of a tenant. `consent` lists the candidates that may see its prompts.

    `bodies` allows that its prompts and answers are kept. Nothing else does: whoever lets a prompt be sent elsewhere
    has not agreed that it lies on a disk, so neither `consent` nor `consent_default` stands for it.
    """

    plan: str | None = None
    billing_owner: str | None = None
    allowance_usd_per_month: Dollars | None = None  # what its plan includes; shown in the inventory, enforced by nobody
    keys: tuple[Fingerprint, ...] = ()  # as `shadow fingerprint` prints them
    consent: tuple[str, ...] | None = None  # None: `consent_default` decides
    bodies: bool = False


@section
class Registry:
    """The tenant registry: a file of its own, because someone else keeps it."""

    tenants: Mapping[str, Tenant] = field(default_factory=dict)
    environments: Mapping[Fingerprint, str] = field(default_factory=dict)  # of keys: production, test, …
    feature_budgets_usd_per_month: Mapping[str, Dollars] = field(default_factory=dict)  # as allowances are

    @property
    def owners(self) -> dict[str, str]:
        """Fingerprint → tenant."""
        return {key: name for name, tenant in self.tenants.items() for key in tenant.keys}

    def __post_init__(self) -> None:
        seen: dict[str, str] = {}
        for name, tenant in self.tenants.items():
            for key in tenant.keys:
                if seen.setdefault(key, name) != name:
                    raise ValueError(f"the key {key} belongs to both {seen[key]} and {name}")


@section
class Config:
    """The whole configuration. Only `upstream.url` is required."""

    listen: ListenAddress = Address("127.0.0.1", 8080)
    admin: Admin = Admin()
    upstream: Upstream
    attribution: AttributionRules = AttributionRules()
    registry: Registry = field(default_factory=Registry)
    consent_default: Literal["allow", "deny"] | None = None
    fingerprint_key_file: Path | None = None
    candidates: tuple[Candidate, ...] = ()
    control: Control | None = None
    capture: Capture = Capture()
    store: Storage = Storage()
    handoff: Handoff = Handoff()
    metrics: Metrics = METRICS
    otel: Otel | None = None
    drain_s: Seconds = 30  # for running answers, after SIGTERM
    drain_delay_s: Annotated[float, Ge(0)] = 0  # before that, unready and still accepting: endpoints lag

    def __post_init__(self) -> None:
        if self.arms and self.consent_default is None:
            raise ValueError(
                "consent_default: write `allow` or `deny`: what holds for tenants the registry says nothing of"
            )
        largest = 2 * self.capture.max_bytes + BESIDE_BODIES_BYTES
        if self.handoff.max_bytes < largest:
            raise ValueError(
                f"handoff: max_bytes must be at least {largest}, or an exchange with two bodies of "
                "`capture.max_bytes` could never be recorded"
            )
        names = [candidate.name for candidate in self.candidates]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"candidates: the name {', '.join(twice)} is given twice")

    @property
    def arms(self) -> tuple[Candidate | Control, ...]:
        """Every arm that is replayed to."""
        return self.candidates if self.control is None else (*self.candidates, self.control)

    @property
    def fingerprint_secret_path(self) -> Path:
        """Where the secret of the fingerprints is: as configured, else beside the store."""
        return self.fingerprint_key_file or self.store.path.with_name("fingerprint.key")
