"""Embeddings: `POST /embeddings`. Vectors say nothing that could be compared between models, so they are not kept."""

from collections.abc import Mapping
from typing import Any

from shadow.wire.assembly import Assembly


def read_body(answer: Assembly, body: Mapping[str, Any]) -> None:
    """The answer: who made the vectors and what they cost."""
    answer.identify(body)
    answer.usage(body.get("usage"))


def read_event(answer: Assembly, chunk: Mapping[str, Any], kind: str | None) -> None:
    """Embeddings do not stream; should a server wrap them in an event, it is the whole answer."""
    del kind
    read_body(answer, chunk)
