"""All facts of one exchange, of any arm: what this room is for.

Whatever a provider sends, `observe` returns an observation. What is wrong with the bytes is an error kind or an
anomaly; what is wrong with this code is the anomaly `reader_failed`, and a line in the log.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

from shadow.events import Event
from shadow.exchange import Exchange, Headers, Observation, Timings
from shadow.log import tell, where
from shadow.wire import answer, usage
from shadow.wire.answer import read_answer
from shadow.wire.assembly import Reading
from shadow.wire.decoding import decode, encoding
from shadow.wire.documents import word
from shadow.wire.prices import PriceBook
from shadow.wire.request import Endpoint, InferenceRequest, endpoint_of, read_request
from shadow.wire.timings import read_timings
from shadow.wire.usage import Reported, read_usage, reported

READER_FAILED: Final = "reader_failed"
PROVIDER_KEYS: Final = "provider_keys"
CLIENT_TIMEOUTS: Final = ("x-stainless-read-timeout", "x-stainless-timeout")  # of the Python library; of the Node one
NUMBER: Final = re.compile(r"\d{1,6}(\.\d{1,3})?")
RESPONSE_CACHE_HIT: Final = "response_cache_hit"
ANOMALIES: Final = (
    answer.ANOMALIES
    | usage.ANOMALIES
    | {
        "request_unreadable",  # not captured whole, or not a JSON object: its model and features are unknown
        RESPONSE_CACHE_HIT,  # OpenRouter's response cache answered: neither cost nor timings are a model's
        READER_FAILED,  # a mistake in this room: the answer was not read
    }
)


class Read(NamedTuple):
    """What was asked and what is known of it. `request` is None for what is no model call or cannot be read."""

    request: InferenceRequest | None
    observation: Observation


def observe(exchange: Exchange, book: PriceBook) -> Observation:
    """The facts of one exchange, priced by its arm's book. Never raises."""
    return read(exchange, book).observation


def read(exchange: Exchange, book: PriceBook) -> Read:
    """The request of one exchange, for those who look into it, and its facts. Never raises."""
    endpoint = endpoint_of(exchange)
    if endpoint is None:
        return Read(None, Observation(timings=_plain(exchange)))
    request = None
    try:
        request = read_request(exchange)
        return Read(request, _observe(exchange, endpoint, request, book))
    except Exception as error:  # noqa: BLE001 (the row must be stored, whatever a provider sent)
        tell(Event.ANSWER_UNREAD, error=where(error), exchange_id=exchange.exchange_id)
        return Read(request, Observation(inference=True, timings=_plain(exchange), anomalies=(READER_FAILED,)))


def _plain(exchange: Exchange) -> Timings:
    """What is known without reading the answer."""
    return Timings(first_byte_s=exchange.first_byte_s, total_s=exchange.total_s)


def _observe(exchange: Exchange, endpoint: Endpoint, request: InferenceRequest | None, book: PriceBook) -> Observation:
    asked, answered = _by_name(exchange.request_headers), _by_name(exchange.response_headers)
    decoded = decode(exchange.response_body, encoding(exchange.response_headers), exchange.arrivals)
    reading = read_answer(exchange, endpoint, decoded)
    counts = read_usage(exchange, reading)
    stated = reported(reading.usage, reading.usage_source)
    # OpenRouter's response cache answered (its page on response caching; `HIT` in recorded exchanges)
    from_cache = answered.get("x-openrouter-cache-status", "").strip().lower() == "hit"
    request_model = request.model if request else None
    cost = book.cost(
        counts,
        (reading.response_model, request_model),
        datetime.fromtimestamp(exchange.started_at, UTC),
        stated,
        service_tier=reading.service_tier,
        cached_response=from_cache,
    )
    return Observation(
        inference=True,
        stream=request.stream if request else reading.streamed,
        request_model=request_model,
        response_model=reading.response_model,
        provider=reading.provider,
        generation_id=word(answered.get("x-generation-id")) or reading.generation_id,
        usage=counts,
        cost=cost,
        timings=read_timings(exchange, reading, decoded.arrivals, counts.output_tokens),
        finish_reason=reading.finish_reason,
        error_kind=reading.error_kind and reading.error_kind.value,
        features=_features(request, asked),
        anomalies=_anomalies(reading, request, stated, from_cache=from_cache),
        answer=reading.answer,
        byok=stated.is_byok if stated else None,
        client_timeout_s=_client_timeout_s(asked),
    )


def _by_name(headers: Headers) -> dict[str, str]:
    """Headers by their names, the first where one is repeated."""
    return dict(reversed(headers))


def _features(request: InferenceRequest | None, asked: Mapping[str, str]) -> frozenset[str]:
    """What the request makes use of, in its body and in its headers."""
    found = request.features if request else frozenset()
    return found | {PROVIDER_KEYS} if asked.get("x-provider-api-keys") else found


def _client_timeout_s(asked: Mapping[str, str]) -> float | None:
    """After how long without a byte the client gives up, as OpenAI's libraries say it, in seconds."""
    for name in CLIENT_TIMEOUTS:
        if name in asked and NUMBER.fullmatch(asked[name]):
            return float(asked[name])
    return None


def _anomalies(
    reading: Reading, request: InferenceRequest | None, stated: Reported | None, *, from_cache: bool
) -> tuple[str, ...]:
    """What was odd about the answer's bytes, and what else was."""
    odd = reading.anomalies
    if request is None:
        odd = (*odd, "request_unreadable")
    if from_cache:
        odd = (*odd, RESPONSE_CACHE_HIT)
    if stated is not None and stated.cost is None:
        odd = (*odd, "cost_malformed")
    return odd
