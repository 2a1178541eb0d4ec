"""Pairs whose answers disagree, with what both said: of tenants that let it be kept, redacted when it was. Records."""

from dataclasses import dataclass
from typing import Any, Final

from shadow.exchange import Answer

KINDS: Final = (  # how answers may disagree; a pair is an example of the first that holds
    "refusal",
    "json",
    "schema",
    "tool_names",
    "tool_arguments",
    "finish_reason",
    "text",
)


@dataclass(frozen=True, slots=True)
class Example:
    """One pair. `request` is a JSON object, None where it was too long to keep; `whole` is False where more is missing.

    `redactions` counts what patterns replaced, in the request and both answers.
    """

    kind: str
    exchange_id: str
    arm: str
    tenant: str
    request: dict[str, Any] | None
    primary: Answer
    candidate: Answer
    whole: bool
    redactions: int
