import base64
import os
from typing import Any

import orjson
import pytest

from shadow.config import Capture, Registry, Tenant
from shadow.exchange import (
    Answer,
    Attribution,
    Bodies,
    Body,
    Exchange,
    Observation,
    Replay,
    ReplayOutcome,
    ToolCall,
)
from shadow.record.bodies import Keeper
from shadow.store.bodies import unpacked
from shadow.wire.observe import read
from shadow.wire.prices import PriceBook
from tests.record.samples import JSON, REQUEST, exchange, exchange_id, whole

REGISTRY = Registry(tenants={"acme": Tenant(bodies=True), "globex": Tenant(consent=("ferry",)), "initech": Tenant()})
BOOK = PriceBook({}, "openrouter", openrouter=True)
KEY = "sk-0123456789abcdef"


def keeper(**capture: Any) -> Keeper:
    return Keeper(Capture(**{"bodies": "consented", **capture}), REGISTRY)


def kept(one: Exchange, **capture: Any) -> Bodies | None:
    return keeper(**capture).of_primary(one, read(one, BOOK))


def certain(bodies: Bodies | None) -> Bodies:
    assert bodies is not None
    return bodies


def request(bodies: Bodies | None) -> Any:
    found = certain(bodies).request
    return None if found is None else orjson.loads(unpacked(found))


def answer(bodies: Bodies | None) -> Any:
    found = certain(bodies).answer
    return None if found is None else orjson.loads(unpacked(found))


def asking(content: object, **fields: object) -> dict[str, object]:
    return {**REQUEST, "messages": [{"role": "user", "content": content}], **fields}


def test_request_and_answer_are_kept() -> None:
    """Of a tenant that consents: the request as it was, the answer as what it says."""
    bodies = kept(exchange(0))
    assert (request(bodies), answer(bodies)) == (REQUEST, {"text": "Hello."})
    assert (certain(bodies).whole, certain(bodies).redactions, certain(bodies).tenant) == (True, 0, "acme")


@pytest.mark.parametrize("tenant", ["globex", "initech", "stranger", None])
def test_nothing_is_kept_without_consent(tenant: str | None) -> None:
    """Consent to a candidate is none to being kept, and silence is none either."""
    assert kept(exchange(0, attribution=Attribution(tenant))) is None


def test_nothing_is_kept_where_it_is_turned_off() -> None:
    """The registry alone turns nothing on."""
    assert kept(exchange(0), bodies="none") is None


@pytest.mark.parametrize(
    "asked",
    [
        {"request": {**REQUEST, "provider": {"zdr": True}}},
        {"request": {**REQUEST, "provider": {"data_collection": "deny"}}},
        {"request_headers": (*JSON, ("x-shadow-sample", "never"))},
    ],
)
def test_nothing_is_kept_of_a_request_that_asks_for_privacy(asked: dict[str, Any]) -> None:
    """What the request says weighs more than what its tenant agreed to."""
    assert kept(exchange(0, **asked)) is None


def test_nothing_is_kept_of_what_a_sidecar_sent() -> None:
    """Promise 60 for those who replay what is kept: of a stored request nobody can see that it was a replay."""
    assert kept(exchange(0, request_headers=(*JSON, ("x-shadow-replay", exchange(1).exchange_id)))) is None


def test_nothing_is_kept_of_what_is_no_model_call() -> None:
    """Files, keys and whatever else passes are nobody's example."""
    assert kept(exchange(0, path="/api/v1/keys")) is None


def test_a_request_that_cannot_be_read_is_not_kept() -> None:
    """Cut, it may have asked for privacy in the part that is missing: all that is kept is that it is not there."""
    one = exchange(0, request_body=Body(b'{"model":"m",', b"", 9_000_000))
    assert kept(one) == Bodies("acme", None, None, whole=False, redactions=0)


def test_patterns_work_in_every_text() -> None:
    """In messages, in keys, in numbers, behind JSON's escapes, and in what a stream spreads over its events."""
    body = rf'{{"model":"m","messages":[{{"role":"user","content":"my key: \u0073k-0123456789abcdef"}}],"{KEY}":41111}}'
    events = [{"choices": [{"delta": {"content": part}}]} for part in ("It is ", "sk-01234", "56789abcdef.")]
    stream = b"".join(b"data: " + orjson.dumps(event) + b"\n\n" for event in events) + b"data: [DONE]\n\n"
    bodies = kept(
        exchange(
            0,
            request_body=whole(body.encode()),
            response_headers=(("content-type", "text/event-stream"),),
            response_body=whole(stream),
        ),
        redact=(r"sk-\w{16}", "41{4}"),
    )
    assert request(bodies) == {
        "model": "m",
        "messages": [{"role": "user", "content": "my key: [redacted]"}],
        "[redacted]": "[redacted]",
    }
    assert answer(bodies) == {"text": "It is [redacted]."}
    assert (certain(bodies).redactions, certain(bodies).whole) == (4, True)


def test_pictures_and_encrypted_reasoning_are_left_out() -> None:
    """No pattern looks into them; their place says how long they were, and the body is not whole."""
    blob = base64.b64encode(bytes(300)).decode()
    url = f"data:image/png;base64,{blob}"
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": f"this: {url}."}]
    bodies = kept(exchange(0, asking(content, reasoning_details=[{"type": "reasoning.encrypted", "data": blob}])))
    found = request(bodies)
    assert found["messages"][0]["content"] == [
        {"type": "image_url", "image_url": {"url": "[left out: 422 characters]"}},
        {"type": "text", "text": "this: [left out: 422 characters]."},
    ]
    assert found["reasoning_details"] == [{"type": "reasoning.encrypted", "data": "[left out: 400 characters]"}]
    assert not certain(bodies).whole


def test_links_to_pictures_are_kept() -> None:
    """They are text."""
    content = [{"type": "image_url", "image_url": {"url": "https://example.com/a/picture.png?size=2"}}]
    assert request(kept(exchange(0, asking(content)))) == asking(content)


def test_a_long_body_is_shortened() -> None:
    """It stays a JSON document within its bound, and says that it is not whole."""
    content = " ".join(os.urandom(2).hex() for _ in range(2000))
    bodies = kept(exchange(0, asking(content, last=1)), bodies_max_bytes=4096)
    found = request(bodies)
    assert content.startswith(found["messages"][0]["content"])
    assert len(orjson.dumps(found)) <= 4096
    assert not certain(bodies).whole


@pytest.mark.parametrize("before", range(3700, 4100, 7))
def test_no_half_of_a_secret_is_left_where_a_body_ends(before: int) -> None:
    """A secret that the bound cuts in two matches no pattern: what is near the end goes too."""
    content = "x " * (before // 2) + KEY + " x" * 1000
    bodies = kept(exchange(0, asking(content)), bodies_max_bytes=4096, redact=(r"sk-[0-9a-f]{16}",))
    assert "sk-" not in str(request(bodies))


def test_many_small_values_are_bounded_too() -> None:
    """It is not text alone that takes room."""
    bodies = kept(exchange(0, asking("hi", numbers=list(range(100_000)))), bodies_max_bytes=4096)
    assert len(orjson.dumps(request(bodies))) <= 4096
    assert not certain(bodies).whole


def test_a_deep_body_is_not_kept() -> None:
    """What nests deeper than anybody writes costs its body, not its row."""
    body = b'{"model":"m","messages":' + b"[" * 900 + b"]" * 900 + b"}"
    assert kept(exchange(0, request_body=whole(body))) == Bodies("acme", None, None, whole=False, redactions=0)


def test_an_answer_that_was_cut_is_not_whole() -> None:
    """What the capture did not keep of a long answer is missing here too."""
    said = b'data: {"choices":[{"delta":{"content":"Hel"}}]}\n\n'
    bodies = kept(exchange(0, response_body=Body(said, b"", 9_000_000)))
    assert (answer(bodies), certain(bodies).whole) == ({"text": "Hel"}, False)


def replayed(said: Answer, tenant: str | None = "acme", **observed: Any) -> Replay:
    return Replay(
        exchange_id(0),
        "ferry",
        ReplayOutcome.COMPLETED,
        None,
        exchange=exchange(0, attribution=Attribution(tenant)),
        observation=Observation(inference=True, answer=said, **observed),
    )


def test_a_candidates_answer_is_kept() -> None:
    """All that it says, redacted; its request is the primary's, rewritten, and is not kept again."""
    said = Answer("from ann@example.com", "hm", "no", (ToolCall("send", '{"to":"ann@example.com"}', "c1"),))
    bodies = keeper(redact=(r"\w+@\w+\.\w+",)).of_replay(replayed(said))
    assert answer(bodies) == {
        "text": "from [redacted]",
        "reasoning": "hm",
        "refusal": "no",
        "tool_calls": [{"name": "send", "arguments": '{"to":"[redacted]"}', "id": "c1"}],
    }
    assert (request(bodies), certain(bodies).redactions, certain(bodies).whole) == (None, 2, True)


def test_a_candidates_answer_is_kept_with_consent_only() -> None:
    """The tenant is the primary's."""
    assert keeper().of_replay(replayed(Answer("Hello."), "globex")) is None


def test_a_candidate_that_said_nothing_leaves_nothing() -> None:
    """An error is a row, not an answer."""
    assert keeper().of_replay(replayed(Answer(), error_kind="server_error")) is None


def test_a_candidates_answer_that_was_not_read_to_its_end_is_not_whole() -> None:
    """As with the primary's."""
    assert not certain(keeper().of_replay(replayed(Answer("Hel"), anomalies=("capture_cut",)))).whole
