"""Who asks, and for what: the configured rules, compiled, over a request's target and headers.

Rules that look into the body are the recorder's, because the forwarder reads none, and so is the tenant's plan.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

import orjson

from shadow.config import AttributionRules, Rule
from shadow.exchange import Attribution
from shadow.fingerprint import fingerprint
from shadow.forward.heads import Fields
from shadow.frames import written

VALUE_CHARACTERS: Final = 256  # a name of a tenant or feature; longer ones would only fill rows and metrics
KNOWN: Final = 1024  # callers whose attribution is remembered: a few keys × tenants × features
KNOWN_BYTES: Final = 1024  # of all that told who asks; with more, it is found out anew: hashing it would cost as much
ABSENT: Final = b"\r"  # which no header's value is
KEY_HEADERS: Final = (b"x-api-key", b"api-key")  # as Anthropic's and Azure's clients send it

# What a rule may look at: the request target, the headers, and the key's fingerprint.
Finder = Callable[[bytes, Fields, str | None], str | None]


class Caller(NamedTuple):
    """Who asks, and for what, in each form in which it is needed: made once for a caller who asks again."""

    attribution: Attribution
    written: orjson.Fragment  # the same as a frame states it
    tags: list[tuple[bytes, bytes]]  # a header's lower-case name, and the line that carries the value upstream


class Attributor:
    """The rules of one configuration, ready to be asked for every request.

    `owners` has the tenant of each known key, by its fingerprint.
    """

    def __init__(self, rules: AttributionRules, owners: Mapping[str, str], secret: bytes) -> None:
        self._secret = secret
        self._tenant = [finder for rule in rules.tenant if (finder := _finder(rule, owners))]
        self._feature = [finder for rule in rules.feature if (finder := _finder(rule, {}))]
        every = (*rules.tenant, *rules.feature)
        self._targeted = any(rule.query or rule.path_prefix for rule in every)
        named = {rule.header.lower().encode() for rule in every if rule.header is not None}
        self._headers = (b"authorization", *KEY_HEADERS, *sorted(named))  # all that attribution depends on
        # A few callers ask again and again. Their keys stay here as a hash, keyed by a prefix: BLAKE2 needs no HMAC.
        self._prefix = hashlib.sha256(secret).digest()
        self._known: dict[bytes, Caller] = {}
        self._tenant_prefixes, self._feature_prefixes = _prefixes(rules.tenant), _prefixes(rules.feature)
        # Empty where the tag is turned off.
        self._tag_names = [(name or "").encode() for name in (rules.tag_headers.tenant, rules.tag_headers.feature)]

    def caller(self, target: bytes, fields: Fields) -> Caller:
        """Who asks, by target and headers; remembered, for a caller who asks again."""
        told = [fields.get(name, ABSENT) for name in self._headers]
        if self._targeted:
            told.append(target)
        said = b"\n".join(told)  # which none of them holds
        if len(said) > KNOWN_BYTES:
            return self._found(target, fields)
        key = hashlib.blake2b(self._prefix + said).digest()
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= KNOWN:
                self._known.clear()
            known = self._known[key] = self._found(target, fields)
        return known

    def forwarded(self, target: bytes) -> bytes:
        """The target as the upstream knows it: without the prefixes that rules read, and without what they found."""
        if not self._feature_prefixes and not self._tenant_prefixes:
            return target
        return _without(self._feature_prefixes, _without(self._tenant_prefixes, target))

    def _found(self, target: bytes, fields: Fields) -> Caller:
        key = api_key(fields)
        owner = None if key is None else fingerprint(key, self._secret)
        tenant = _first(self._tenant, target, fields, owner)
        feature = _first(self._feature, _without(self._tenant_prefixes, target), fields, owner)
        attribution = Attribution(tenant=tenant, feature=feature, key_fingerprint=owner)
        tags = [
            (name.lower(), b"%b: %b" % (name, value.encode()))
            for name, value in zip(self._tag_names, (tenant, feature), strict=True)
            if name and value is not None
        ]
        return Caller(attribution, written(attribution), tags)


def api_key(fields: Fields) -> str | None:
    """The API key of a request, wherever clients put it; None where it has none."""
    scheme, _, credentials = fields.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer" and (credentials := credentials.strip()):
        return credentials.decode("utf-8", "replace")
    for name in KEY_HEADERS:
        if value := fields.get(name):
            return value.decode("utf-8", "replace")
    return None


def _first(finders: list[Finder], target: bytes, fields: Fields, owner: str | None) -> str | None:
    for finder in finders:
        if value := finder(target, fields, owner):
            return value
    return None


def _finder(rule: Rule, owners: Mapping[str, str]) -> Finder | None:
    """The rule as a function; None for a rule that is the recorder's."""
    if rule.header is not None:
        return _in_header(rule.header.lower().encode())
    if rule.query is not None:
        return _in_query(rule.query.encode())
    if rule.path_prefix is not None:
        return _in_path(_prefix(rule))
    if rule.key:
        return lambda _target, _fields, owner: None if owner is None else owners.get(owner)
    return None


def _in_header(name: bytes) -> Finder:
    def find(_target: bytes, fields: Fields, _owner: str | None) -> str | None:
        value = fields.get(name)
        return None if value is None else _readable(value)

    return find


def _in_query(name: bytes) -> Finder:
    def find(target: bytes, _fields: Fields, _owner: str | None) -> str | None:
        for field in target.partition(b"?")[2].split(b"&"):
            key, _, value = field.replace(b"+", b" ").partition(b"=")
            if unquote_to_bytes(key) == name and (found := _readable(unquote_to_bytes(value))):
                return found
        return None

    return find


def _in_path(prefix: bytes) -> Finder:
    def find(target: bytes, _fields: Fields, _owner: str | None) -> str | None:
        found = _segment(prefix, target)
        return None if found is None else found[0]

    return find


def _prefixes(rules: Iterable[Rule]) -> tuple[bytes, ...]:
    return tuple(_prefix(rule) for rule in rules if rule.path_prefix is not None)


def _without(prefixes: tuple[bytes, ...], target: bytes) -> bytes:
    """The target without the first of the prefixes that it begins with, and without the segment after it."""
    return next((found[1] for prefix in prefixes if (found := _segment(prefix, target)) is not None), target)


def _prefix(rule: Rule) -> bytes:
    """The prefix of a rule, which ends at a slash, whether it was written so or not."""
    return (rule.path_prefix or "").rstrip("/").encode() + b"/"


def _segment(prefix: bytes, target: bytes) -> tuple[str, bytes] | None:
    """What the path says after a prefix, and the target without both, byte for byte; None where it says nothing."""
    path, mark, query = target.partition(b"?")
    if not path.startswith(prefix):
        return None
    segment, _, rest = path[len(prefix) :].partition(b"/")
    value = _readable(unquote_to_bytes(segment))
    return None if value is None else (value, b"/" + rest + mark + query)


def _readable(value: bytes) -> str | None:
    """A value as bounded text; None where it is empty or holds control characters, which no header may carry on."""
    found = value[: VALUE_CHARACTERS * 4].decode("utf-8", "replace").strip()[:VALUE_CHARACTERS].rstrip()
    return found if found.isprintable() and found else None
