"""Requests: which exchanges are model calls, and what they ask for."""

import gzip
import json

import pytest

from shadow.exchange import Body
from shadow.wire.request import PATHS, Endpoint, read_request
from tests.wire.exchanges import exchange

BODY = {"model": "v/m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/api/v1/chat/completions", Endpoint.CHAT),
        ("/api/v1/completions", Endpoint.COMPLETIONS),
        ("/api/v1/embeddings", Endpoint.EMBEDDINGS),
        ("/api/v1/responses", Endpoint.RESPONSES),
        ("/api/v1/messages", Endpoint.MESSAGES),
        ("/v1/chat/completions", Endpoint.CHAT),
        ("/chat/completions", Endpoint.CHAT),
        ("/openai/v1/chat/completions", Endpoint.CHAT),
    ],
)
def test_a_model_call_is_known_by_its_exact_path(path: str, endpoint: Endpoint) -> None:
    """OpenRouter's paths, and those of the base paths that others use."""
    request = read_request(exchange(request=BODY, path=path))
    assert request is not None
    assert request.endpoint is endpoint


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/presets/mine/chat/completions"),
        ("POST", "/api/v1/presets/mine/messages"),
        ("POST", "/api/v1/chat/completions/"),
        ("POST", "/api/v1//chat/completions"),
        ("POST", "/API/v1/chat/completions"),
        ("POST", "/api/v1/chat/completions;x"),
        ("POST", "/api/v1/rerank"),
        ("POST", "/api/v1/batches"),
        ("POST", "/api/v1/keys"),
        ("POST", ""),
        ("GET", "/api/v1/chat/completions"),
        ("OPTIONS", "/api/v1/chat/completions"),
    ],
)
def test_anything_else_is_none(method: str, path: str) -> None:
    """A path that only ends like a model call stores a preset; a method that is not POST asks for nothing."""
    assert read_request(exchange(request=BODY, method=method, path=path)) is None


def test_what_a_request_asks_for_is_read() -> None:
    """Model, streaming and features come from the body, which is kept as it was parsed."""
    request = read_request(exchange(request=BODY))
    assert request is not None
    assert (request.model, request.stream, request.features) == ("v/m", True, {"stream"})
    assert request.body == BODY


def test_a_model_may_be_left_out() -> None:
    """OpenRouter takes the account's default then."""
    request = read_request(exchange(request={"messages": []}))
    assert request is not None
    assert (request.model, request.stream) == (None, False)


def test_a_compressed_request_is_read() -> None:
    """A client may compress what it sends."""
    body = gzip.compress(json.dumps(BODY).encode())
    request = read_request(exchange(request=body, request_headers=(("content-encoding", "gzip"),)))
    assert request is not None
    assert request.model == "v/m"


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", Body(b'{"model": "v/m"}', b"}", 99), gzip.compress(b"{}")],
)
def test_a_request_that_cannot_be_read_is_none(body: bytes | Body) -> None:
    """Cut, not JSON, or no object: it is a model call of which nothing more is known."""
    assert read_request(exchange(request=body)) is None


def test_a_request_that_cannot_be_decoded_is_none() -> None:
    """A coding that is not what it says leaves nothing to read."""
    assert read_request(exchange(request=b"{}", request_headers=(("content-encoding", "gzip"),))) is None


def test_the_paths_are_a_closed_table() -> None:
    """Each of the five endpoints at each base path."""
    assert len(PATHS) == len(Endpoint) * 5
