"""YAML → configuration. Every mistake is named by its key path, all of them at once.

`read` a file, `parse` its text; both raise `ConfigError`. `${VAR}` in any text is replaced from the environment; paths
are relative to the configuration's own directory. Keys that this release does not act on are refused like any unknown
key.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from shadow.config import Config
from shadow.fingerprint import fingerprint

T = TypeVar("T")

MAPPING: Final = "must be a mapping of keys to values"
NUMBER: Final = "must be a number"
WHOLE_NUMBER: Final = "must be a whole number"
DATE: Final = "must be a date such as 2026-12-01"
TEXT: Final = "must be text"
VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
# Pydantic's error types in words of the file; what stands in braces comes from the error's context.
PLAIN_WORDS: Final = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "dataclass_type": MAPPING,
    "date_from_datetime_parsing": DATE,
    "date_parsing": DATE,
    "date_type": DATE,
    "decimal_parsing": NUMBER,
    "decimal_type": NUMBER,
    "dict_type": MAPPING,
    "finite_number": NUMBER,
    "float_parsing": NUMBER,
    "float_type": NUMBER,
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "int_from_float": WHOLE_NUMBER,
    "int_parsing": WHOLE_NUMBER,
    "int_type": WHOLE_NUMBER,
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "mapping_type": MAPPING,
    "missing": "is required",
    "path_type": TEXT,
    "string_type": TEXT,
    "too_short": "must not be empty",
    "tuple_type": "must be a list",
    "unexpected_keyword_argument": "unknown key",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where it is (`candidates.0.url`) and what to do about it."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class ConfigError(Exception):
    """The configuration cannot be used. `problems` holds every mistake found."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def read(path: Path) -> str:
    """The text of a configuration file, for `parse`. Raises ConfigError."""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError((Problem(str(path), f"cannot be read: {_said(error)}"),)) from error


def parse(text: str, directory: Path, environment: Mapping[str, str] = os.environ, *, secrets: bool = True) -> Config:
    """The configuration in a YAML text whose relative paths start at `directory`. Raises ConfigError.

    With `secrets`, the files and variables that it names must be there: who only reads a report has none of them.
    """
    problems: list[Problem] = []
    tree = _tree(text, "configuration", problems)
    tree = _substitute(tree, environment, "", problems)
    if isinstance(tree, dict):
        _read_registry(tree, directory, environment, problems)
        _resolve_paths(tree, directory)
    try:
        config = TypeAdapter(Config).validate_python(tree)
    except ValidationError as error:
        problems.extend(_problems(error))
        raise ConfigError(tuple(problems)) from None
    if secrets:
        problems.extend(_missing_secrets(config, environment))
        problems.extend(_shared_key(config, environment))
    problems.extend(_unknown_consents(config))
    if problems:
        raise ConfigError(tuple(problems))
    return config


def validated(kind: type[T], text: str, whole: str) -> T:
    """Another file's records in a YAML text; `whole` names it where a mistake has no key. Raises ConfigError."""
    try:
        return TypeAdapter(kind).validate_python(_tree(text, whole, []))
    except ValidationError as error:
        raise ConfigError(tuple(_problems(error, whole))) from None


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
    places = [
        (tree, "fingerprint_key_file"),
        (tree.get("upstream"), "ca_file"),
        (tree.get("admin"), "token_file"),
        (store, "path"),
    ]
    shared = store.get("clickhouse") if isinstance(store, dict) else None
    places += [(shared, key) for key in ("user_file", "password_file", "ca_file")]
    places.append((tree.get("otel"), "headers_file"))
    arms = [*(candidates if isinstance(candidates, list) else []), tree.get("control")]
    places += [(one, "api_key_file") for one in arms]
    for section, key in places:
        if isinstance(section, dict) and isinstance(section.get(key), str):
            section[key] = directory / section[key]


def _missing_secrets(config: Config, environment: Mapping[str, str]) -> Iterator[Problem]:
    files = [("admin.token_file", config.admin.token_file), ("upstream.ca_file", config.upstream.ca_file)]
    variables = []
    for index, candidate in enumerate(config.candidates):
        files.append((f"candidates.{index}.api_key_file", candidate.api_key_file))
        variables.append((f"candidates.{index}.api_key_env", candidate.api_key_env))
    if config.control:
        files.append(("control.api_key_file", config.control.api_key_file))
        variables.append(("control.api_key_env", config.control.api_key_env))
    if shared := config.store.clickhouse:
        at = "store.clickhouse"
        files += [(f"{at}.{key}", getattr(shared, key)) for key in ("user_file", "password_file", "ca_file")]
        variables += [(f"{at}.{key}", getattr(shared, key)) for key in ("user_env", "password_env")]
    if otel := config.otel:
        files.append(("otel.headers_file", otel.headers_file))
        variables.append(("otel.headers_env", otel.headers_env))
        if not _installed("opentelemetry.exporter.otlp.proto.http"):
            yield Problem("otel", "is not installed: install the package with its extra, shadow-sidecar[otel]")
    for where, variable in variables:
        if variable and not environment.get(variable):
            yield Problem(where, f"the environment variable {variable} is not set")
    for where, path in files:
        if path and not os.access(path, os.R_OK):
            yield Problem(where, f"{path} cannot be read")


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of a package that it would be in
        return False


def _shared_key(config: Config, environment: Mapping[str, str]) -> Iterator[Problem]:
    """A control that would replay under the key of a client that the registry knows."""
    control = config.control
    if control is None:
        return
    try:
        secret = config.fingerprint_secret_path.read_bytes().strip()
        key = control.api_key_file.read_text().strip() if control.api_key_file else None
    except (OSError, UnicodeDecodeError):
        return  # without a secret there are no fingerprints; a key that is missing is a problem of its own
    owner = config.registry.owners.get(fingerprint(key or environment.get(control.api_key_env or "", ""), secret))
    if owner is not None:
        yield Problem(
            f"control.{'api_key_env' if control.api_key_env else 'api_key_file'}",
            f"this is a key of {owner} in the registry: OpenRouter holds what running requests may cost against the "
            "balance of their account and refuses what exceeds it, so that replays could have requests of clients "
            "refused; give the control a key of an account of its own",
        )


def _unknown_consents(config: Config) -> Iterator[Problem]:
    known = {arm.name for arm in config.arms}
    for name, tenant in config.registry.tenants.items():
        for candidate in tenant.consent or ():
            if candidate not in known:
                yield Problem(f"registry.tenants.{name}.consent", f"there is no candidate {candidate!r}")


def _problems(error: ValidationError, whole: str = "configuration") -> Iterator[Problem]:
    """Pydantic's findings as key paths and sentences, without the value: it may be a secret."""
    for found in error.errors(include_url=False, include_input=False):
        where = ".".join(str(part) for part in found["loc"])
        words = PLAIN_WORDS.get(found["type"])
        context = {
            key: f"{value:g}" if isinstance(value, float) else value for key, value in found.get("ctx", {}).items()
        }
        what = words.format(**context) if words else found["msg"].removeprefix("Value error, ")
        head, colon, rest = what.partition(": ")
        if colon and re.fullmatch(r"[a-z_]+", head):  # a validator of a whole section that blames one key
            where, what = _join(where, head), rest
        yield Problem(where or whole, what)


def _join(where: str, key: object) -> str:
    return f"{where}.{key}" if where else str(key)


def _said(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
