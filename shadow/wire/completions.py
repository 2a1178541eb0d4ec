"""Legacy text completions: `POST /completions`, whole and streamed. (OpenAI's API reference.)"""

from collections.abc import Mapping
from typing import Any

from shadow.wire.assembly import Assembly
from shadow.wire.chat import read_usage
from shadow.wire.documents import mapping, sequence, text


def read_body(answer: Assembly, body: Mapping[str, Any]) -> None:
    """The answer of a call that did not stream; a chunk of a stream has the same shape."""
    answer.identify(body)
    read_usage(answer, body)
    for choice in map(mapping, sequence(body.get("choices"))):
        if not choice.get("index"):
            answer.reasoning(text(choice.get("reasoning")))
            answer.content(text(choice.get("text")))
            answer.finish(choice.get("finish_reason"))


def read_event(answer: Assembly, chunk: Mapping[str, Any], kind: str | None) -> None:
    """One chunk of a stream."""
    del kind
    read_body(answer, chunk)
