"""All facts of one exchange, of any arm: what this room is for.

Whatever a provider sends, `observe` returns an observation. What is wrong with the bytes is an error kind or an
anomaly; what is wrong with this code is the anomaly `reader_failed`, and a line in the log.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import starmap
from typing import Final, NamedTuple

from shadow.events import Event
from shadow.exchange import Cost, Exchange, Headers, Observation, Timings, Usage
from shadow.log import tell, where
from shadow.wire import answer, usage
from shadow.wire.answer import read_answer
from shadow.wire.assembly import Reading
from shadow.wire.decoding import Decoded, decode, encoding
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
TOGETHER: Final = 100  # exchanges whose reading goes step by step: more are no faster
# Of decoded answers, which lie in memory until all steps are taken: a batch of plain ones is hardly larger, but a few
# kilobytes of compressed ones may each decode to megabytes.
TOGETHER_BYTES: Final = 1 << 20
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
    return read_all((exchange,), book)[0]


def read_all(exchanges: Iterable[Exchange], book: PriceBook) -> list[Read]:
    """The same of each of many exchanges, in their order. Never raises; what fails for one is no other's loss.

    Each step is taken for all of them before the next: code that runs a hundred times in a row runs faster than code
    that takes turns. It takes a tenth off the reading of a batch of plain answers, a fifth off one of streams.
    """
    reads: list[Read] = []
    for group, calls in _groups(exchanges, book):
        for step in _STEPS:
            calls = _taken(step, calls)
        reads += starmap(_as_read, group)
    return reads


@dataclass(slots=True, eq=False)
class _Call:
    """What is known so far of one model call. Each step writes what its successors need."""

    exchange: Exchange
    endpoint: Endpoint
    book: PriceBook
    request: InferenceRequest | None = None
    decoded: Decoded = field(init=False)
    asked: Mapping[str, str] = field(init=False)  # the request's headers by their names
    answered: Mapping[str, str] = field(init=False)  # the response's
    from_cache: bool = field(init=False)
    reading: Reading = field(init=False)
    usage: Usage = field(init=False)
    stated: Reported | None = field(init=False)
    cost: Cost = field(init=False)
    timings: Timings = field(init=False)
    observation: Observation | None = None  # the last step's; None where one failed


Group = tuple[list[tuple[Exchange, _Call | None]], list[_Call]]


def _groups(exchanges: Iterable[Exchange], book: PriceBook) -> Iterator[Group]:
    """Exchanges with what calls they are, and those calls whose answers are decoded: to be read together.

    A group ends with the exchange at which its answers come to TOGETHER_BYTES, or it has TOGETHER of them.
    """
    group: list[tuple[Exchange, _Call | None]] = []
    calls: list[_Call] = []
    size = 0
    for exchange in exchanges:
        call = _begun(exchange, book)
        group.append((exchange, call))
        for one in _taken(_decode, [] if call is None else [call]):
            calls.append(one)
            size += len(one.decoded.head)
        if size >= TOGETHER_BYTES or len(group) >= TOGETHER:
            yield group, calls
            group, calls, size = [], [], 0
    yield group, calls


def _begun(exchange: Exchange, book: PriceBook) -> _Call | None:
    """A call of which nothing is read yet; None for what is no model call."""
    endpoint = endpoint_of(exchange)
    return None if endpoint is None else _Call(exchange, endpoint, book)


def _taken(step: Callable[[_Call], None], calls: list[_Call]) -> list[_Call]:
    """Take one step for all of these calls; returns those for which it did not fail."""
    failed: list[_Call] = []
    for call in calls:
        try:
            step(call)
        except Exception as error:  # noqa: BLE001 (the row must be stored, whatever a provider sent)
            tell(Event.ANSWER_UNREAD, error=where(error), exchange_id=call.exchange.exchange_id)
            failed.append(call)
    return [call for call in calls if call not in failed] if failed else calls


def _as_read(exchange: Exchange, call: _Call | None) -> Read:
    """What came of it, with what is known without reading the answer where that is all."""
    if call is not None and call.observation is not None:
        return Read(call.request, call.observation)
    plain = Timings(first_byte_s=exchange.first_byte_s, total_s=exchange.total_s)
    if call is None:
        return Read(None, Observation(timings=plain))
    return Read(call.request, Observation(inference=True, timings=plain, anomalies=(READER_FAILED,)))


def _decode(call: _Call) -> None:
    exchange = call.exchange
    call.decoded = decode(exchange.response_body, encoding(exchange.response_headers), exchange.arrivals)


def _read_request(call: _Call) -> None:
    call.request = read_request(call.exchange)


def _read_headers(call: _Call) -> None:
    call.asked, call.answered = _by_name(call.exchange.request_headers), _by_name(call.exchange.response_headers)
    # OpenRouter's response cache answered (its page on response caching; `HIT` in recorded exchanges)
    call.from_cache = call.answered.get("x-openrouter-cache-status", "").strip().lower() == "hit"


def _read_answer(call: _Call) -> None:
    call.reading = read_answer(call.exchange, call.endpoint, call.decoded)


def _read_usage(call: _Call) -> None:
    call.usage = read_usage(call.exchange, call.reading)


def _read_stated(call: _Call) -> None:
    call.stated = reported(call.reading.usage, call.reading.usage_source)


def _price(call: _Call) -> None:
    call.cost = call.book.cost(
        call.usage,
        (call.reading.response_model, call.request.model if call.request else None),
        datetime.fromtimestamp(call.exchange.started_at, UTC),
        call.stated,
        service_tier=call.reading.service_tier,
        cached_response=call.from_cache,
    )


def _time(call: _Call) -> None:
    call.timings = read_timings(call.exchange, call.reading, call.decoded.arrivals, call.usage.output_tokens)


def _observe(call: _Call) -> None:
    request, reading, stated = call.request, call.reading, call.stated
    call.observation = Observation(
        inference=True,
        stream=request.stream if request else reading.streamed,
        request_model=request.model if request else None,
        response_model=reading.response_model,
        provider=reading.provider,
        generation_id=word(call.answered.get("x-generation-id")) or reading.generation_id,
        usage=call.usage,
        cost=call.cost,
        timings=call.timings,
        finish_reason=reading.finish_reason,
        error_kind=reading.error_kind and reading.error_kind.value,
        features=_features(request, call.asked),
        anomalies=_anomalies(reading, request, stated, from_cache=call.from_cache),
        answer=reading.answer,
        byok=stated.is_byok if stated else None,
        client_timeout_s=_client_timeout_s(call.asked),
    )


_STEPS: Final = (_read_request, _read_headers, _read_answer, _read_usage, _read_stated, _price, _time, _observe)


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
