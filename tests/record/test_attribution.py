from typing import Any

import pytest
from pydantic import TypeAdapter

from shadow.config import AttributionRules, Registry, Tenant
from shadow.exchange import Attribution
from shadow.record.attribution import BodyAttribution
from shadow.wire.request import read_request
from tests.record.samples import REQUEST, exchange

RULES = TypeAdapter(AttributionRules).validate_python(
    {
        "tenant": [{"header": "X-Tenant-Id"}, {"body": "user"}, {"body": "metadata.tenant"}],
        "feature": [{"body": "metadata.feature"}],
    }
)
REGISTRY = Registry(tenants={"acme": Tenant(plan="business"), "umbrella": Tenant()})


def completed(known: Attribution, **fields: Any) -> Attribution:
    seen = exchange(request={**REQUEST, **fields}, attribution=known)
    return BodyAttribution(RULES, REGISTRY).complete(seen, read_request(seen)).attribution


def test_what_the_forwarder_found_stays() -> None:
    """A header is stronger than anything in the body."""
    found = completed(Attribution("acme", "chat"), user="umbrella", metadata={"feature": "summaries"})
    assert (found.tenant, found.feature) == ("acme", "chat")


def test_the_body_tells_what_headers_did_not() -> None:
    """Rules look into the request's JSON, the first that finds a value wins."""
    found = completed(Attribution(), user="acme", metadata={"tenant": "umbrella", "feature": "summaries"})
    assert (found.tenant, found.feature) == ("acme", "summaries")


def test_a_later_rule_is_asked_when_an_earlier_finds_nothing() -> None:
    """An empty value is no value."""
    assert completed(Attribution(), user="", metadata={"tenant": "umbrella"}).tenant == "umbrella"


def test_the_plan_is_the_registrys() -> None:
    """The tenant's plan comes from the registry; tenants it does not know have none."""
    plans = [completed(Attribution(), user=user).plan for user in ("acme", "umbrella", "stranger")]
    assert plans == ["business", None, None]


def test_the_key_fingerprint_is_kept() -> None:
    """It adds, and takes nothing away."""
    assert completed(Attribution(key_fingerprint="f" * 32), user="acme").key_fingerprint == "f" * 32


@pytest.mark.parametrize("odd", [None, True, 1.5, ["acme"], {"id": "acme"}, " \n ", "two\nlines", "\x00"], ids=repr)
def test_what_is_no_name_is_not_taken_for_one(odd: object) -> None:
    """Only printable text and whole numbers name a tenant."""
    assert completed(Attribution(), user=odd).tenant is None


def test_numbers_and_long_names_are_bounded_text() -> None:
    """A number is taken as its digits, an endless name is cut."""
    assert completed(Attribution(), user=42).tenant == "42"
    assert completed(Attribution(), user="x" * 10_000).tenant == "x" * 256


@pytest.mark.parametrize("request_body", [b"", b"not JSON", b"[1, 2]", b'{"metadata": "text"}'])
def test_a_body_that_tells_nothing_leaves_it_unknown(request_body: bytes) -> None:
    """A request that is no JSON object, or is shaped otherwise, attributes nothing and breaks nothing."""
    seen = exchange(request=request_body, attribution=Attribution())
    assert BodyAttribution(RULES, REGISTRY).complete(seen, read_request(seen)).attribution == Attribution()
