"""`observe`: the facts of one exchange, whatever it is."""

import gzip
import tracemalloc
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from shadow.exchange import UNKNOWN_COST, Body, Cost, Exchange, Headers, Observation, Outcome, Timings, Usage
from shadow.wire import decoding
from shadow.wire.decoding import Decoded
from shadow.wire.observe import ANOMALIES, observe, read, read_all
from shadow.wire.prices import PriceBook
from shadow.wire.usage import Reported
from tests import recorded
from tests.wire.exchanges import BOOK, chunk, exchange, from_recording, seen, stream


def test_a_call_that_is_no_inference_has_transport_facts_only() -> None:
    """`GET /models` is timed and nothing else is read out of it."""
    observation = seen(b'{"data": []}', method="GET", path="/api/v1/models")
    assert (observation.inference, observation.timings.total_s, observation.error_kind) == (False, 2.0, None)


def test_a_plain_answer_is_read() -> None:
    """Model, provider, text, finish reason and usage come out of a JSON answer."""
    body = (
        b'{"id":"gen-7","model":"v/m-1","provider":"V","choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]'
    )
    observation = seen(body + b',"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}')
    assert observation.answer.text == "Hi"
    assert (observation.response_model, observation.provider, observation.generation_id) == ("v/m-1", "V", "gen-7")
    assert (observation.finish_reason, observation.usage.input_tokens, observation.usage.output_tokens) == (
        "stop",
        3,
        1,
    )
    assert (observation.error_kind, observation.anomalies) == (None, ())


def test_of_a_repeated_header_the_first_counts() -> None:
    """A proxy that adds its own does not take the provider's place."""
    said = (("x-generation-id", "gen-1"), ("x-generation-id", "gen-2"))
    asked = (("x-stainless-timeout", "30"), ("x-stainless-timeout", "60"))
    observation = seen(b"{}", response_headers=said, request_headers=asked)
    assert (observation.generation_id, observation.client_timeout_s) == ("gen-1", 30.0)


def test_a_cost_is_taken_as_written() -> None:
    """A stated cost is stored digit by digit."""
    usage = '"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4,"cost":0.00012104999999999999000}'
    assert str(seen(f'{{"choices":[],{usage}}}'.encode()).cost.usd) == "0.00012104999999999999000"


def test_a_stream_cut_in_the_middle_keeps_what_its_end_says() -> None:
    """With only head and tail of a stream kept, usage and finish reason are known and the cut is noted."""
    usage = {"prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 14}
    body = stream(*[chunk(f"word{n} ") for n in range(50)], chunk("", finish="stop", usage=usage))
    observation = seen(Body(body[:400], body[-450:], len(body)))
    assert observation.usage.output_tokens == 9
    assert observation.finish_reason == "stop"
    assert observation.anomalies == ("capture_cut",)
    assert observation.error_kind is None


def test_a_body_cut_in_the_middle_keeps_what_its_ends_say() -> None:
    """With only head and tail of a JSON body kept, the model is known from its head and the usage from its tail."""
    body = b'{"id":"gen-7","model":"v/m-1","choices":[{"message":{"content":"%s"},"finish_reason":"stop"}]' % (
        b"x" * 900
    )
    body += b',"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4,"cost":0.25}}'
    observation = seen(Body(body[:100], body[-100:], len(body)))
    assert (observation.response_model, observation.usage.input_tokens) == ("v/m-1", 3)
    assert observation.cost.usd == Decimal("0.25")
    assert (observation.anomalies, observation.error_kind) == (("capture_cut",), None)


@pytest.mark.parametrize(
    ("outcome", "status", "kind"),
    [
        (Outcome.UPSTREAM_FAILED, None, "no_answer"),
        (Outcome.UPSTREAM_TRUNCATED, 200, "truncated"),
        (Outcome.CLIENT_CANCELLED, 200, None),
        (Outcome.COMPLETE, 200, "truncated"),
    ],
)
def test_a_stream_without_an_end_is_judged_by_how_it_ended(outcome: Outcome, status: int | None, kind: str) -> None:
    """A stream that stops is the provider's fault, unless it was the client that left."""
    body = stream(chunk("Hel"), end=b"") if status else b""
    assert seen(body, outcome=outcome, status=status).error_kind == kind


def test_a_response_cache_hit_is_noted() -> None:
    """OpenRouter's own cache answers in no time and for nothing: statistics must be able to leave it out."""
    assert cached("HIT").anomalies == ("response_cache_hit",)
    assert cached("MISS").anomalies == ()


def test_a_response_cache_hit_counts_without_its_case() -> None:
    """Header values pass through gateways that rewrite them: the mirror and the price must agree on a hit."""
    assert cached(" Hit").anomalies == ("response_cache_hit",)
    assert cached("hit").cost.usd == 0


def cached(status: str) -> Observation:
    """What is seen of an answer for which OpenRouter names this state of its response cache."""
    body = stream(chunk("Hi", finish="stop", usage={"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}))
    return seen(body, response_headers=(("x-openrouter-cache-status", status),))


def test_a_request_that_cannot_be_read_is_noted() -> None:
    """The answer is read all the same; whether it streamed is told by the answer then."""
    observation = seen(stream(chunk("Hi", finish="stop")), Body(b'{"model": "m", "mess', b"}", 9000))
    assert (observation.answer.text, observation.stream, observation.request_model) == ("Hi", True, None)
    assert "request_unreadable" in observation.anomalies


def test_a_cost_that_makes_no_sense_is_noted() -> None:
    """A negative charge is not stored as one, and not silently either."""
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "cost": -1}
    observation = seen(stream(chunk("Hi", finish="stop", usage=usage)))
    assert (observation.cost, observation.anomalies) == (UNKNOWN_COST, ("cost_malformed",))


@pytest.mark.parametrize("coding", ["gzip", "exotic"])
def test_an_answer_that_cannot_be_decoded_is_noted(coding: str) -> None:
    """Nothing is known of it, and no error is made of that."""
    observation = seen(b"\x00\x01\x02", response_headers=(("content-encoding", coding),))
    assert (observation.anomalies, observation.error_kind) == (("undecodable",), None)
    assert observation.usage.anomalies == ("usage_missing",)


def test_a_compressed_stream_is_read() -> None:
    """A gzip-encoded event stream gives the same facts as a plain one."""
    body = stream(chunk("Hi"), chunk("", finish="stop"))
    observation = seen(gzip.compress(body), response_headers=(("content-encoding", "gzip"),))
    assert (observation.answer.text, observation.finish_reason) == ("Hi", "stop")


def test_a_mistake_is_logged_without_what_was_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names the kind of mistake and its place; the message of an exception may hold a prompt."""

    def fail(*_: object) -> None:
        raise RuntimeError("SECRET PROMPT")

    monkeypatch.setattr("shadow.wire.observe.read_answer", fail)
    seen(b"{}")
    assert "RuntimeError" in caplog.text
    assert "SECRET" not in caplog.text


def test_a_mistake_in_a_reader_costs_the_facts_and_not_the_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever raises inside becomes the anomaly `reader_failed`."""
    monkeypatch.setattr("shadow.wire.observe.read_answer", lambda *_: 1 / 0)
    assert seen(b"{}").anomalies == ("reader_failed",)


def test_the_request_is_read_although_its_answer_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asked may stand in it."""
    monkeypatch.setattr("shadow.wire.observe.read_answer", lambda *_: 1 / 0)
    request, _ = read(exchange(b"{}", request={"user": "acme"}), BOOK)
    assert request is not None
    assert request.body == {"user": "acme"}


@recorded.requires_recorded
@pytest.mark.parametrize("host", ["openrouter.ai", "api.openai.com", "api.groq.com", "api.mistral.ai"])
def test_recorded_answers_are_read_without_complaint(host: str) -> None:
    """Every good answer on record yields tokens; only known anomalies are named."""
    for row in recorded.load(host):
        observation = observe(from_recording(row), BOOK)
        assert observation.inference
        assert ANOMALIES.issuperset(observation.anomalies)
        assert observation.error_kind or observation.usage.input_tokens is not None, row["name"]


def test_provider_keys_in_a_header_are_a_feature() -> None:
    """Beside those of the body."""
    sent = (("x-provider-api-keys", "present"),)
    assert seen(b"{}", request={"stream": True}, request_headers=sent).features == {"stream", "provider_keys"}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ((("x-stainless-read-timeout", "600"),), 600.0),
        ((("x-stainless-timeout", "2.5"),), 2.5),
        ((("x-stainless-read-timeout", "NOT_GIVEN"), ("x-stainless-timeout", "60")), 60.0),
        ((("x-stainless-read-timeout", "1e400"),), None),
        ((), None),
    ],
)
def test_a_clients_patience_is_read_from_its_library(headers: Headers, seconds: float | None) -> None:
    """OpenAI's libraries say after how long they give up; whatever else stands there says nothing."""
    assert seen(b"{}", request_headers=headers).client_timeout_s == seconds


@pytest.mark.parametrize(("said", "byok"), [("true", True), ("false", False), ("7", None)])
def test_who_paid_is_told(said: str, byok: bool | None) -> None:
    """OpenRouter says whether a provider key of the caller's own was used."""
    usage = f'{{"choices":[],"usage":{{"prompt_tokens":3,"completion_tokens":1,"cost":0.1,"is_byok":{said}}}}}'
    assert seen(usage.encode()).byok is byok


NO_CALL = exchange(b'{"data": []}', method="GET", path="/api/v1/models")


def asked_of(model: str) -> Exchange:
    """An answered call of a model."""
    return exchange(stream(chunk("Hi", finish="stop")), {"model": model})


def test_many_are_read_in_their_order() -> None:
    """Model calls and what is none, mixed: each has its own facts, at its own place."""
    reads = read_all([NO_CALL, asked_of("m-1"), NO_CALL, asked_of("m-2")], BOOK)
    found = [(one.observation.inference, one.observation.request_model) for one in reads]
    assert found == [(False, None), (True, "m-1"), (False, None), (True, "m-2")]


def test_of_none_there_is_nothing_to_read() -> None:
    """No exchanges, no facts."""
    assert read_all([], BOOK) == []


def test_large_answers_do_not_lie_in_memory_together() -> None:
    """Compressed, fifty of four megabytes fit into one small batch: to read them takes no more than to read one."""
    large = gzip.compress(b'{"model":"m","choices":[],"padding":"' + b"x" * (4 << 20) + b'"}')
    coded = exchange(large, response_headers=(("content-encoding", "gzip"),))
    one, many = peak_of_reading([coded]), peak_of_reading([coded] * 50)
    assert many < 1.5 * one


def peak_of_reading(exchanges: Sequence[Exchange]) -> int:
    """The most memory that it takes, in bytes."""
    tracemalloc.start()
    try:
        reads = read_all(exchanges, BOOK)
        assert {one.observation.response_model for one in reads} == {"m"}
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class Faulty(PriceBook):
    """A book with a mistake in it that one model meets."""

    def cost(
        self, usage: Usage, models: Sequence[str | None], at: datetime, reported: Reported | None = None, **how: Any
    ) -> Cost:
        if "faulty" in models:
            raise ZeroDivisionError
        return super().cost(usage, models, at, reported, **how)


FAULTY = Faulty({}, None, openrouter=True)


def test_a_mistake_costs_the_facts_of_its_exchange_only() -> None:
    """Those among which it is read are whole; of its own it is known that it was a call, and when."""
    good = [asked_of("m-1"), NO_CALL, asked_of("m-2")]
    first, failed, *others = read_all([good[0], asked_of("faulty"), *good[1:]], FAULTY)
    assert [first, *others] == [read(one, BOOK) for one in good]
    facts = Observation(inference=True, timings=Timings(first_byte_s=0.1, total_s=2.0), anomalies=("reader_failed",))
    assert failed.observation == facts


def test_a_mistake_in_decoding_is_one_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """No memory, say: it costs the facts of its exchange, and not the batch in which that came."""

    def decode(body: Body, *about: Any) -> Decoded:
        if body.head == b"faulty":
            raise MemoryError
        return decoding.decode(body, *about)

    monkeypatch.setattr("shadow.wire.observe.decode", decode)
    good = [asked_of("m-1"), asked_of("m-2")]
    first, failed, second = read_all([good[0], exchange(b"faulty"), good[1]], BOOK)
    assert [first, second] == [read(one, BOOK) for one in good]
    assert (failed.observation.inference, failed.observation.anomalies) == (True, ("reader_failed",))


def test_a_mistake_is_logged_once_for_each_that_meets_it(caplog: pytest.LogCaptureFixture) -> None:
    """No later step is tried for an exchange that one has failed for."""
    read_all([asked_of("faulty"), asked_of("m"), asked_of("faulty")], FAULTY)
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert caplog.text.count("ZeroDivisionError") == 2
