"""Who asks and for what, from target and headers."""

from typing import Any

import orjson
import pytest
from pydantic import TypeAdapter

from shadow.config import AttributionRules, Registry
from shadow.exchange import Attribution
from shadow.fingerprint import fingerprint
from shadow.forward.attribution import KNOWN, KNOWN_BYTES, VALUE_CHARACTERS, Attributor, api_key
from shadow.forward.heads import Fields

SECRET = b"secret"


def attributor(tenants: dict[str, Any] | None = None, **rules: Any) -> Attributor:
    registry = TypeAdapter(Registry).validate_python({"tenants": tenants or {}})
    return Attributor(TypeAdapter(AttributionRules).validate_python(rules), registry.owners, SECRET)


def tenant(rule: dict[str, Any], target: bytes = b"/", fields: Fields | None = None) -> str | None:
    return attributor(tenant=[rule]).caller(target, fields or {}).attribution.tenant


def test_header_rule_reads_any_case() -> None:
    """A header's configured name is matched without regard to case, its value trimmed."""
    assert tenant({"header": "X-TENANT-Id"}, fields={b"x-tenant-id": b" acme "}) == "acme"


def test_empty_header_resolves_nothing() -> None:
    """An empty value is unattributed, not a tenant without a name."""
    assert tenant({"header": "X-Tenant-Id"}, fields={b"x-tenant-id": b""}) is None


@pytest.mark.parametrize(
    ("target", "found"),
    [
        (b"/x?tenant=acme", "acme"),
        (b"/x?a=1&tenant=a+b%26c", "a b&c"),
        (b"/x?ten%61nt=acme", "acme"),
        (b"/x?tenant=&tenant=second", "second"),
        (b"/x?tenants=acme", None),
        (b"/x", None),
        (b"/x?tenant=a%0d%0aX-Evil:%201", None),
    ],
)
def test_query_rule(target: bytes, found: str | None) -> None:
    """A query parameter is decoded; one with control characters, which could end a header, is not believed."""
    assert tenant({"query": "tenant"}, target) == found


@pytest.mark.parametrize("prefix", ["/t/", "/t"])
@pytest.mark.parametrize(
    ("target", "found"),
    [
        (b"/t/acme/v1/chat", "acme"),
        (b"/t/acme", "acme"),
        (b"/t/a%20b?x=1", "a b"),
        (b"/t/", None),
        (b"/tenants/acme", None),
        (b"/v1/t/acme", None),
    ],
)
def test_path_rule(prefix: str, target: bytes, found: str | None) -> None:
    """The value is the segment after the prefix, and the prefix ends at a slash."""
    assert tenant({"path_prefix": prefix}, target) == found


@pytest.mark.parametrize(
    ("target", "sent"),
    [
        (b"/t/acme/v1/chat?a=%2f&&b", b"/v1/chat?a=%2f&&b"),
        (b"/t/a%20b//v1/../%2e", b"//v1/../%2e"),
        (b"/t/acme", b"/"),
        (b"/t/acme/", b"/"),
        (b"/t/acme?x=1", b"/?x=1"),
        (b"/t/acme/?", b"/?"),
        (b"/t/acme/f/chat/v1", b"/v1"),
        (b"/f/chat/v1", b"/v1"),
        (b"/t/acme/t/acme/v1", b"/t/acme/v1"),
        (b"/t//v1", b"/t//v1"),
        (b"/t/", b"/t/"),
        (b"/tenants/acme", b"/tenants/acme"),
        (b"/v1/t/acme", b"/v1/t/acme"),
        (b"/v1?/t/acme/", b"/v1?/t/acme/"),
        (b"*", b"*"),
    ],
)
def test_what_a_path_rule_reads_does_not_go_upstream(target: bytes, sent: bytes) -> None:
    """A client that names its tenant in the base URL reaches the upstream's own path, byte for byte otherwise."""
    rules = attributor(tenant=[{"header": "X-T"}, {"path_prefix": "/t/"}], feature=[{"path_prefix": "/f"}])
    assert rules.forwarded(target) == sent


def test_tenant_and_feature_may_both_be_in_the_path() -> None:
    """The feature's rule reads what the tenant's leaves."""
    found = attributor(tenant=[{"path_prefix": "/t/"}], feature=[{"path_prefix": "/f/"}]).caller(
        b"/t/acme/f/chat/v1", {}
    )
    assert (found.attribution.tenant, found.attribution.feature) == ("acme", "chat")


def test_without_a_path_rule_targets_stay() -> None:
    """No path means anything to the sidecar unless the configuration says so."""
    assert attributor(tenant=[{"query": "t"}]).forwarded(b"/t/acme/v1") == b"/t/acme/v1"


def test_key_rule_finds_the_registrys_owner() -> None:
    """A key belongs to the tenant that lists its fingerprint; the fingerprint is reported, never the key."""
    owner = fingerprint("sk-1", SECRET)
    found = attributor({"acme": {"keys": [owner]}}).caller(b"/", {b"authorization": b"Bearer sk-1"}).attribution
    assert (found.tenant, found.key_fingerprint) == ("acme", owner)


def test_unknown_key_resolves_no_tenant() -> None:
    """A key nobody owns still has its fingerprint."""
    found = attributor().caller(b"/", {b"x-api-key": b"sk-2"}).attribution
    assert (found.tenant, found.key_fingerprint) == (None, fingerprint("sk-2", SECRET))


def test_first_rule_that_finds_a_value_wins() -> None:
    """Rules are asked in their order, and one that finds nothing passes on."""
    rules = attributor(tenant=[{"header": "X-A"}, {"query": "t"}, {"header": "X-B"}])
    assert rules.caller(b"/?t=query", {b"x-b": b"header"}).attribution.tenant == "query"


def test_body_rules_are_left_to_the_recorder() -> None:
    """The forwarder reads no body: such a rule resolves nothing here."""
    assert attributor(feature=[{"body": "metadata.feature"}]).caller(b"/", {}).attribution.feature is None


def test_values_are_bounded() -> None:
    """A name as long as a book is cut."""
    found = tenant({"header": "X-T"}, fields={b"x-t": b"\xc3\xa9" * 100_000})
    assert found == "é" * VALUE_CHARACTERS


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({b"authorization": b"bearer  sk-1"}, "sk-1"),
        ({b"x-api-key": b"sk-2"}, "sk-2"),
        ({b"api-key": b"sk-3"}, "sk-3"),
        ({b"api-key": b"sk-3", b"authorization": b"Bearer sk-1"}, "sk-1"),
        ({b"authorization": b"Basic dTpw"}, None),
        ({b"authorization": b"Bearer"}, None),
        ({}, None),
    ],
)
def test_api_key_is_found_where_clients_put_it(fields: Fields, key: str | None) -> None:
    """Bearer credentials first, then the headers of other dialects."""
    assert api_key(fields) == key


def test_tags_carry_what_was_resolved() -> None:
    """A value travels in its header; nothing travels for what is not known, nor where the tag is turned off."""
    rules = attributor(tenant=[{"header": "X-T"}], feature=[{"header": "X-F"}], tag_headers={"feature": None})
    assert rules.caller(b"/", {b"x-t": b"acme", b"x-f": b"chat"}).tags == [(b"x-tenant-id", b"X-Tenant-Id: acme")]
    assert rules.caller(b"/", {}).tags == []


def test_a_caller_is_written_as_it_was_found() -> None:
    """The JSON that goes into its records is that of its attribution, in order."""
    found = attributor(tenant=[{"header": "X-T"}]).caller(b"/", {b"x-t": b"acme", b"x-api-key": b"sk-1"})
    assert Attribution(*orjson.loads(orjson.dumps(found.written))) == found.attribution


def test_remembered_callers_are_told_apart() -> None:
    """Whatever attribution depends on is asked anew: target where a rule reads it, key, and every named header."""
    rules = attributor(tenant=[{"header": "X-T"}, {"query": "t"}], feature=[{"header": "X-F"}])
    asked = [
        (b"/?t=q", {}), (b"/", {}), (b"/", {b"x-t": b"a"}), (b"/", {b"x-t": b"a", b"x-f": b"f"}),
        (b"/", {b"authorization": b"Bearer 1"}), (b"/", {b"x-api-key": b"1"}), (b"/", {b"api-key": b"2"}),
    ]  # fmt: skip
    first = [rules.caller(target, fields).attribution for target, fields in asked]
    assert [rules.caller(target, fields).attribution for target, fields in asked] == first
    assert [one.tenant for one in first[:4]] == ["q", None, "a", "a"]
    assert [one.feature for one in first[:4]] == [None, None, None, "f"]
    assert first[4].key_fingerprint == first[5].key_fingerprint != first[6].key_fingerprint


def test_memory_of_callers_is_bounded() -> None:
    """A client that invents a tenant for every request does not grow the process."""
    rules = attributor(tenant=[{"header": "X-T"}])
    for number in range(KNOWN * 3):
        assert rules.caller(b"/", {b"x-t": b"%d" % number}).attribution.tenant == str(number)
    assert len(rules._known) <= KNOWN


def test_memory_of_callers_holds_no_key() -> None:
    """A caller is remembered under a hash: no API key stays in memory after its request."""
    rules = attributor()
    rules.caller(b"/", {b"authorization": b"Bearer sk-1"})
    assert rules._known
    assert not any(b"sk-1" in caller for caller in rules._known)


def test_callers_that_say_much_are_not_remembered() -> None:
    """Nobody has a kilobyte to say about who they are; whoever sends one is attributed anew every time."""
    rules = attributor(tenant=[{"header": "X-T"}])
    assert rules.caller(b"/", {b"x-t": b"acme" + b" " * KNOWN_BYTES}).attribution.tenant == "acme"
    assert not rules._known
