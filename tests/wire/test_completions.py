"""Legacy text completions."""

import json
from typing import Any

from shadow.exchange import Body, Observation
from tests.wire.exchanges import seen, stream

USAGE = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}


def said(answer: bytes | Body, **how: Any) -> Observation:
    """What is read out of an answer at this endpoint."""
    return seen(answer, {"model": "v/m", "prompt": "Say"}, path="/api/v1/completions", **how)


def piece(text: str, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A body or a chunk: they have one shape."""
    choice = {"index": 0, "text": text, "finish_reason": finish}
    return {"id": "cmpl-1", "object": "text_completion", "model": "v/m", "choices": [choice], **more}


def test_a_plain_completion() -> None:
    """Text, finish reason, model and usage come out of a body."""
    observation = said(json.dumps(piece("Hello", "length", usage=USAGE)).encode())
    assert (observation.answer.text, observation.finish_reason) == ("Hello", "length")
    assert (observation.response_model, observation.generation_id) == ("v/m", "cmpl-1")
    assert observation.usage.output_tokens == 2


def test_a_streamed_completion() -> None:
    """The same facts come out of a stream."""
    observation = said(stream(piece("Hel"), piece("lo", "stop"), {"choices": [], "usage": USAGE}))
    assert (observation.answer.text, observation.finish_reason) == ("Hello", "stop")
    assert (observation.stream, observation.usage.output_tokens, observation.anomalies) == (False, 2, ())


def test_of_several_completions_the_first_is_read() -> None:
    """With n > 1 the others are left alone."""
    other = {"choices": [{"index": 1, "text": "NO", "finish_reason": "length"}]}
    assert said(stream(piece("Y"), other, piece("es", "stop"), other)).answer.text == "Yes"
