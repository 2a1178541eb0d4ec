"""No credential, cookie or private header of the client reaches a candidate's socket, or a log."""

import asyncio
import logging

import pytest

from shadow.wire.request import read_request
from tests.mirror.making import HELLO, JSON, KEY, chat, config, observed

CANARY = "canary-7f3a"
# What must not be there even if the forwarder kept it by mistake.
PRIVATE_HEADERS = (
    "authorization",
    "api-key",
    "x-api-key",
    "cookie",
    "proxy-authorization",
    "x-provider-api-keys",
    "openai-organization",
    "openai-project",
    "http-referer",
    "x-title",
    "x-openrouter-title",
    "x-openrouter-categories",
    "x-session-id",
    "x-tenant-id",
    "x-feature",
    "x-forwarded-for",
    "user-agent",
    "traceparent",
    "baggage",
    "idempotency-key",
    "anthropic-beta",
    "x-stainless-os",
)
PRIVATE_FIELDS = {
    "user": CANARY,
    "metadata": {CANARY: CANARY},
    "session_id": CANARY,
    "trace": {"id": CANARY},
    "safety_identifier": CANARY,
    "prompt_cache_key": CANARY,
    "api_base": f"https://{CANARY}.example",
    "api_key": CANARY,
    "base_url": f"https://{CANARY}.example",
    "extra_headers": {"authorization": CANARY},
    "provider": {"order": [CANARY], "options": {"x": {"key": CANARY}}},
    "debug": {"echo_upstream_body": True, "x": CANARY},
}


@pytest.fixture
async def socket(serve_raw):
    """A candidate that keeps every byte it is sent; its URL and the bytes."""
    seen = bytearray()

    async def keep(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
        seen.extend(head + await reader.readexactly(int(length.split(b":")[1])))
        writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nSet-Cookie: a=b\r\n\r\n{}")
        await writer.drain()
        await asyncio.sleep(0)

    return await serve_raw(keep), seen


@pytest.mark.parametrize("dialect", ["azure", "mistral", "vllm", "generic", "litellm"])
async def test_nothing_private_reaches_the_candidate(socket, mirrors, caplog, dialect):
    """Canaries in every header and private field: zero bytes of them on the wire, and none in the log."""
    caplog.set_level(logging.DEBUG)
    url, seen = socket
    mirror, ledger = await mirrors(config(url, dialect=dialect))
    headers = (*JSON, *((name, f"Bearer {CANARY}") for name in PRIVATE_HEADERS))
    exchange = chat({**HELLO, **PRIVATE_FIELDS}, request_headers=headers)
    _, (plan,) = mirror.decide(exchange, observed(exchange), read_request(exchange))
    mirror.submit(plan)
    await ledger.ends(1)
    assert KEY.encode() in seen  # it is the right socket
    assert CANARY.encode() not in seen
    assert CANARY not in caplog.text
    assert KEY not in caplog.text


async def test_a_clients_host_is_not_the_candidates(socket, mirrors):
    """Where a replay goes is the configuration's word: no field of a request changes it."""
    url, seen = socket
    mirror, ledger = await mirrors(config(url))
    exchange = chat({**HELLO, "api_base": "http://127.0.0.1:1", "base_url": "http://127.0.0.1:1"})
    _, (plan,) = mirror.decide(exchange, observed(exchange), read_request(exchange))
    mirror.submit(plan)
    await ledger.ends(1)
    assert seen.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert f"Host: {url.removeprefix('http://')}\r\n".encode() in seen


async def test_a_key_that_no_header_can_hold_is_not_sent(socket, mirrors, monkeypatch, caplog):
    """A key with a line break would forge headers: it is withheld, and not shown."""
    url, seen = socket
    monkeypatch.setenv("SHADOW_TEST_CANDIDATE_KEY", f"{CANARY}\r\nX-Forged: 1")
    mirror, ledger = await mirrors(config(url))
    exchange = chat()
    _, (plan,) = mirror.decide(exchange, observed(exchange), read_request(exchange))
    mirror.submit(plan)
    (replay,) = await ledger.ends(1)
    assert (replay.reason, bytes(seen)) == ("key_unavailable", b"")
    assert CANARY not in caplog.text
