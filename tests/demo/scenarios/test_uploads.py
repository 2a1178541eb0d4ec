"""Requests whose very bytes matter."""

import hashlib

import pytest

from shadow.demo.provider import StandIn
from shadow.demo.scenarios import SCENARIOS, uploads
from tests.demo.wire import hear

NAMES = [scenario.name for scenario in uploads.SCENARIOS]


@pytest.mark.parametrize("name", NAMES)
async def test_the_answer_proves_what_arrived(stand_in: StandIn, name: str) -> None:
    """Rows 33 and 35: the hash and the size of the body, as the client has them, come back."""
    ask = SCENARIOS[name].ask
    heard = await hear(stand_in, ask)
    assert heard.header("x-received-sha256") == hashlib.sha256(ask.body).hexdigest()
    assert heard.header("x-received-bytes") == str(len(ask.body))


def test_large_image() -> None:
    """Row 33: at least five mebibytes."""
    assert len(SCENARIOS["large-image"].ask.body) > 5 << 20


async def test_invalid_json(stand_in: StandIn) -> None:
    """Row 33: the provider, and nobody before it, refuses the body."""
    assert (await hear(stand_in, SCENARIOS["invalid-json"].ask)).status == 400


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("odd-duplicate-keys", b'"temperature":1,"temperature":0,'),
        ("odd-numbers", b'"temperature":1.0,"top_p":1,"n":1e0,"seed":-0,'),
        ("odd-escapes", "caf\\u00e9 café".encode()),
        ("odd-whitespace", b" }\n\n"),
        ("odd-key-order", b'{"stream":false,"messages"'),
    ],
)
def test_what_no_serialiser_would_write(name: str, written: bytes) -> None:
    """Row 35: parsing and writing it again would change these bytes."""
    assert written in SCENARIOS[name].ask.body


def test_chunked_request() -> None:
    """Row 33: two chunks and the end, and no Content-Length."""
    wire = SCENARIOS["chunked-request"].ask.wire("x")
    assert wire.endswith(b"\r\n0\r\n\r\n")
    assert b"Content-Length" not in wire
