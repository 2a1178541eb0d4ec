"""Which exchanges are model calls, and what their requests ask for.

Only exact paths count: OpenRouter's `POST /presets/{slug}/chat/completions` ends like a model call and stores a preset.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

from shadow.exchange import Exchange
from shadow.wire.decoding import decode, encoding
from shadow.wire.documents import JSONError, parse, word
from shadow.wire.features import features_of


class Endpoint(StrEnum):
    """The kinds of model call that are read."""

    CHAT = "chat"
    COMPLETIONS = "completions"
    EMBEDDINGS = "embeddings"
    RESPONSES = "responses"
    MESSAGES = "messages"


# OpenRouter's base path, OpenAI's and most others', none at all (DeepSeek), Groq's, Google's.
_BASES: Final = ("/api/v1", "/v1", "", "/openai/v1", "/v1beta/openai")
_NAMES: Final = {
    "/chat/completions": Endpoint.CHAT,
    "/completions": Endpoint.COMPLETIONS,
    "/embeddings": Endpoint.EMBEDDINGS,
    "/responses": Endpoint.RESPONSES,
    "/messages": Endpoint.MESSAGES,
}
PATHS: Final[Mapping[str, Endpoint]] = {base + name: _NAMES[name] for base in _BASES for name in _NAMES}


class InferenceRequest(NamedTuple):
    """The request of a model call. `features` is what `shadow.wire.features` finds in `body`."""

    endpoint: Endpoint
    body: Mapping[str, Any]
    model: str | None
    stream: bool
    features: frozenset[str]


def endpoint_of(exchange: Exchange) -> Endpoint | None:
    """Which model call this is; None where it is none."""
    return PATHS.get(exchange.path) if exchange.method == "POST" else None


def read_request(exchange: Exchange) -> InferenceRequest | None:
    """The request of a model call; None where it is none, or was not captured whole, or is not a JSON object."""
    endpoint = endpoint_of(exchange)
    if endpoint is None or not exchange.request_body.whole:
        return None
    decoded = decode(exchange.request_body, encoding(exchange.request_headers))
    if decoded.problem:
        return None
    try:
        body = parse(decoded.head)
    except JSONError:
        return None
    return request_of(endpoint, body) if isinstance(body, dict) else None


def request_of(endpoint: Endpoint, body: Mapping[str, Any]) -> InferenceRequest:
    """The request that a JSON object is."""
    model, stream = word(body.get("model")), body.get("stream") is True
    return InferenceRequest(endpoint, body, model, stream, features_of(body, endpoint))
