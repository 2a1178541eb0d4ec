"""YAML → validated, frozen configuration. Every mistake is named by its key path, all of them at once.

`read` a file, `parse` its text; both raise `ConfigError`. Secrets are named in the file (`api_key_env`,
`api_key_file`), never written in it; `${VAR}` in any text is replaced from the environment. Paths are relative to the
configuration's own directory. Keys that this release does not act on are refused like any unknown key.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ByteSize, ConfigDict, Field, ValidationError, model_validator

from shadow.exchange import CONTROL, PRIMARY

# What an endpoint accepts and how it reports usage. `generic` is the cautious choice for an unknown server.
Dialect = Literal[
    "openai", "azure", "anthropic", "google", "mistral", "groq", "deepseek", "together", "fireworks", "xai",
    "vllm", "sglang", "llama.cpp", "ollama", "litellm", "generic",
]  # fmt: skip
Promise = Literal["zdr", "no_data_collection", "no_distillation"]

ARM_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")  # a metric label and a column value: short and plain
VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


PLAIN_WORDS: Final = {  # pydantic's error types that speak of Python, in words of the file
    "extra_forbidden": "unknown key",
    "missing": "is required",
    "model_type": "must be a mapping of keys to values",
    "mapping_type": "must be a mapping of keys to values",
    "tuple_type": "must be a list",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where it is (`candidates.0.url`) and what to do about it."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class ConfigError(Exception):
    """The configuration cannot be used. `problems` holds every mistake found, in the order of the file."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class Section(BaseModel):
    """A frozen part of the configuration in which an unknown key is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address to listen on."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _address(value: object) -> Address:
    if isinstance(value, Address):
        return value
    host, colon, port = str(value).rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise ValueError("must be an address such as 127.0.0.1:8080")
    return Address(host.strip("[]"), int(port))


def _base_url(value: object) -> str:
    url = str(value).rstrip("/")
    if not re.fullmatch(r"https?://[^/?#\s@]+(/[^?#\s]*)?", url):
        raise ValueError("must be an http:// or https:// URL without user, query or fragment")
    return url


BaseUrl = Annotated[str, BeforeValidator(_base_url)]
ListenAddress = Annotated[Address, BeforeValidator(_address)]
Seconds = Annotated[float, Field(gt=0)]
Rate = Annotated[float, Field(ge=0, le=1)]
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]


class Price(Section):
    """US dollars per million tokens. What is not given costs what `input` costs; `request` is dollars per call."""

    input: Decimal = Field(ge=0)
    output: Decimal = Field(ge=0)
    cache_read: Decimal | None = Field(default=None, ge=0)
    cache_write: Decimal | None = Field(default=None, ge=0)
    request: Decimal = Field(default=Decimal(0), ge=0)
    since: date | None = None  # in force from this UTC day; None: always


def _price_list(value: object) -> object:
    """One price, or several with the days from which they hold."""
    return value if isinstance(value, list | tuple) else (value,)


PriceList = Annotated[tuple[Price, ...], BeforeValidator(_price_list), Field(min_length=1)]
Prices = Mapping[str, PriceList]  # by model name, as the arm's answer or request names it


class Admin(Section):
    listen: ListenAddress = Address("127.0.0.1", 9090)


class Upstream(Section):
    url: BaseUrl
    connect_timeout_s: Seconds = 5
    read_timeout_s: Seconds = 900  # between two reads, not in all: clients give up after 600 s by themselves
    prices: Prices = {}


class Rule(Section):
    """One place to look for a tenant or feature: exactly one of these. The first rule that finds a value wins.

    `body` rules run in the recorder, after all others, because the forwarder reads no bodies.
    """

    header: HeaderName | None = None
    key: Literal[True] | None = None  # the registry's owner of the API key
    query: str | None = None
    path_prefix: str | None = None  # the value is the path segment that follows
    body: str | None = None  # a dotted path into the JSON request, such as `metadata.feature`

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError("a rule names exactly one of: header, key, query, path_prefix, body")
        return self


class TagHeaders(Section):
    """Names of the headers that carry the resolved values upstream; null turns a tag off."""

    tenant: HeaderName | None = "X-Tenant-Id"
    feature: HeaderName | None = "X-Feature"


class AttributionRules(Section):
    tenant: tuple[Rule, ...] = (Rule(header="X-Tenant-Id"), Rule(key=True))
    feature: tuple[Rule, ...] = (Rule(header="X-Feature"),)
    tag_headers: TagHeaders = TagHeaders()

    @model_validator(mode="after")
    def _keys_own_tenants(self) -> Self:
        if any(rule.key for rule in self.feature):
            raise ValueError("feature: a key belongs to a tenant, not to a feature; remove `key: true`")
        return self


class Where(Section):
    """Which exchanges a sampling rule is about: all that is named must match; globs (`gpt-*`) are allowed."""

    tenant: str | None = None
    feature: str | None = None
    plan: str | None = None
    model: str | None = None


class SampleRule(Section):
    where: Where
    rate: Rate


class Sample(Section):
    """How much of the traffic is replayed. The first rule that matches decides, else `rate`."""

    rate: Rate = 0.0
    rules: tuple[SampleRule, ...] = ()


class Candidate(Section):
    """An arm under evaluation. Its URL and key come from here only, never from a request."""

    name: str
    url: BaseUrl
    api_key_env: str | None = None
    api_key_file: Path | None = None
    dialect: Dialect = "generic"
    models: Mapping[str, str | None]  # request or answer model (name, then glob) → the candidate's; null: not replayed
    prices: Prices = {}
    sample: Sample = Sample()
    max_concurrency: int = Field(default=8, ge=1, le=1000)
    deadline_s: Seconds = 300  # queueing and sending together
    context_tokens: int | None = Field(default=None, ge=1)  # longer prompts are not replayed; None: not checked
    compliant: tuple[Promise, ...] = ()

    @model_validator(mode="after")
    def _plain_name(self) -> Self:
        if not ARM_NAME.fullmatch(self.name) or self.name in (PRIMARY, CONTROL):
            raise ValueError(f"name: {self.name!r} must be up to 32 of a-z 0-9 _ - and neither {PRIMARY} nor {CONTROL}")
        return self

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if self.api_key_env and self.api_key_file:
            raise ValueError("give api_key_env or api_key_file, not both")
        return self

    def api_key(self) -> str | None:
        """The candidate's key as it is now (files may rotate); None where the endpoint takes none.

        Raises OSError or KeyError where the named secret cannot be had.
        """
        if self.api_key_file is not None:
            return self.api_key_file.read_text().strip()
        return os.environ[self.api_key_env] if self.api_key_env else None


class Capture(Section):
    max_bytes: ByteSize = ByteSize(8 << 20)  # per body: head and tail of a longer one are kept
    bodies: Literal["none"] = "none"


class Storage(Section):
    path: Path = Path("shadow.db")
    retention_days: int | None = Field(default=35, ge=1)


class Handoff(Section):
    max_bytes: ByteSize = ByteSize(64 << 20)  # ten minutes of 4 KB exchanges at 25/s; then the newest are dropped
    max_delay_ms: int = Field(default=200, ge=1, le=10_000)


class Tenant(Section):
    """What the registry says of a tenant. `consent` lists the candidates that may see its prompts."""

    plan: str | None = None
    billing_owner: str | None = None
    keys: tuple[str, ...] = ()  # fingerprints, as `shadow fingerprint` prints them
    consent: tuple[str, ...] | None = None  # None: `consent_default` decides


class Registry(Section):
    """The tenant registry: a file of its own, because someone else keeps it."""

    tenants: Mapping[str, Tenant] = {}

    @cached_property
    def owners(self) -> Mapping[str, str]:
        """Fingerprint → tenant."""
        return {key: name for name, tenant in self.tenants.items() for key in tenant.keys}

    @model_validator(mode="after")
    def _one_owner_per_key(self) -> Self:
        seen: dict[str, str] = {}
        for name, tenant in self.tenants.items():
            for key in tenant.keys:
                if seen.setdefault(key, name) != name:
                    raise ValueError(f"the key {key} belongs to both {seen[key]} and {name}")
        return self


class Config(Section):
    """The whole configuration. Only `upstream.url` is required."""

    listen: ListenAddress = Address("127.0.0.1", 8080)
    admin: Admin = Admin()
    upstream: Upstream
    attribution: AttributionRules = AttributionRules()
    registry: Registry = Registry()
    consent_default: Literal["allow", "deny"] | None = None
    fingerprint_key_file: Path | None = None
    candidates: tuple[Candidate, ...] = ()
    capture: Capture = Capture()
    store: Storage = Storage()
    handoff: Handoff = Handoff()
    drain_s: Seconds = 30

    @model_validator(mode="after")
    def _candidates_need_consent(self) -> Self:
        if self.candidates and self.consent_default is None:
            raise ValueError(
                "consent_default: write `allow` or `deny`: what holds for tenants the registry says nothing of"
            )
        return self

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [candidate.name for candidate in self.candidates]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"candidates: the name {', '.join(twice)} is given twice")
        return self

    @property
    def fingerprint_secret_path(self) -> Path:
        """Where the secret of the fingerprints is: as configured, else beside the store."""
        return self.fingerprint_key_file or self.store.path.with_name("fingerprint.key")


def read(path: Path) -> str:
    """The text of a configuration file, for `parse`. Raises ConfigError."""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError((Problem(str(path), f"cannot be read: {_said(error)}"),)) from error


def parse(text: str, directory: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """The configuration in a YAML text whose relative paths start at `directory`. Raises ConfigError."""
    problems: list[Problem] = []
    tree = _tree(text, "configuration", problems)
    tree = _substitute(tree, environment, "", problems)
    if isinstance(tree, dict):
        _read_registry(tree, directory, environment, problems)
        _resolve_paths(tree, directory)
    try:
        config = Config.model_validate(tree)
    except ValidationError as error:
        problems.extend(_problems(error))
        raise ConfigError(tuple(problems)) from None
    problems.extend(_missing_secrets(config, environment))
    problems.extend(_unknown_consents(config))
    if problems:
        raise ConfigError(tuple(problems))
    return config


class _Loader(yaml.SafeLoader):
    """YAML in which a key given twice is a mistake instead of a silent choice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _tree(text: str, where: str, problems: list[Problem]) -> object:
    try:
        return yaml.load(text, _Loader) or {}  # noqa: S506 (a SafeLoader underneath)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        problems.append(Problem(where, f"is not YAML: {getattr(error, 'problem', None) or error}{line}"))
        raise ConfigError(tuple(problems)) from None


def _substitute(node: object, environment: Mapping[str, str], where: str, problems: list[Problem]) -> object:
    """`${VAR}` replaced in every text; a variable that is not set is a problem at its key path."""
    if isinstance(node, dict):
        return {key: _substitute(value, environment, _join(where, key), problems) for key, value in node.items()}
    if isinstance(node, list):
        return [_substitute(value, environment, _join(where, index), problems) for index, value in enumerate(node)]
    if not isinstance(node, str):
        return node
    unset = [name for name in VARIABLE.findall(node) if name not in environment]
    problems.extend(Problem(where, f"the environment variable {name} is not set") for name in unset)
    return VARIABLE.sub(lambda found: environment.get(found[1], found[0]), node)


def _read_registry(
    tree: dict[Any, Any], directory: Path, environment: Mapping[str, str], problems: list[Problem]
) -> None:
    """Put the tenants' own file in the place of its name."""
    name = tree.get("registry")
    if not isinstance(name, str):
        if name is None:
            tree.pop("registry", None)
        return
    path = directory / name
    try:
        content = _tree(path.read_text(), f"registry ({path})", problems)
    except (OSError, UnicodeDecodeError) as error:
        problems.append(Problem("registry", f"{path} cannot be read: {_said(error)}"))
        del tree["registry"]
        return
    tree["registry"] = _substitute(content, environment, "registry", problems)


def _resolve_paths(tree: dict[Any, Any], directory: Path) -> None:
    """Make relative paths start at the configuration's directory, and the default store lie there too."""
    store = tree.setdefault("store", {})
    if isinstance(store, dict):
        store.setdefault("path", "shadow.db")
    candidates = tree.get("candidates")
    places = [(tree, "fingerprint_key_file"), (store, "path")]
    places += [(one, "api_key_file") for one in (candidates if isinstance(candidates, list) else [])]
    for section, key in places:
        if isinstance(section, dict) and isinstance(section.get(key), str):
            section[key] = directory / section[key]


def _missing_secrets(config: Config, environment: Mapping[str, str]) -> Iterator[Problem]:
    for index, candidate in enumerate(config.candidates):
        where = f"candidates.{index}"
        if candidate.api_key_env and not environment.get(candidate.api_key_env):
            yield Problem(f"{where}.api_key_env", f"the environment variable {candidate.api_key_env} is not set")
        if candidate.api_key_file and not os.access(candidate.api_key_file, os.R_OK):
            yield Problem(f"{where}.api_key_file", f"{candidate.api_key_file} cannot be read")


def _unknown_consents(config: Config) -> Iterator[Problem]:
    known = {candidate.name for candidate in config.candidates}
    for name, tenant in config.registry.tenants.items():
        for candidate in tenant.consent or ():
            if candidate not in known:
                yield Problem(f"registry.tenants.{name}.consent", f"there is no candidate {candidate!r}")


def _problems(error: ValidationError) -> Iterator[Problem]:
    """Pydantic's findings as key paths and sentences, without the value: it may be a secret."""
    for found in error.errors(include_url=False, include_input=False):
        where = ".".join(str(part) for part in found["loc"])
        what = PLAIN_WORDS.get(found["type"]) or found["msg"].removeprefix("Value error, ")
        head, colon, rest = what.partition(": ")
        if colon and re.fullmatch(r"[a-z_]+", head):  # a validator of a whole section that blames one key
            where, what = _join(where, head), rest
        yield Problem(where or "configuration", what)


def _join(where: str, key: object) -> str:
    return f"{where}.{key}" if where else str(key)


def _said(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
