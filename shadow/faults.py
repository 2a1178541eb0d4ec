"""Whose fault a failed call is: what an error says about the arm that gave it. Pure.

The mirror decides by it what opens a circuit and what is no news about a candidate; the report splits errors by it.
Words are the reasons of a failed replay (`shadow.mirror.reasons`) and the kinds of error (`shadow.wire.errors`).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Fault(StrEnum):
    """Where the cause of an error is."""

    REQUEST = "request"  # this arm does not take such a request: a fact about compatibility
    ANSWER = "answer"  # the arm took it and gave no good answer
    CAPACITY = "capacity"  # it had no room or no time
    NETWORK = "network"  # no connection, or one that broke
    SETUP = "setup"  # the operator's: a key, an account, an address, a model's name
    SIDECAR = "sidecar"  # this program's own: it tells nothing about any arm


# An arm that is unavailable fails what it would otherwise have answered.
UNAVAILABLE: Final = frozenset({Fault.ANSWER, Fault.CAPACITY, Fault.NETWORK})

FAULTS: Final[Mapping[str, Fault]] = {
    # what a replay failed of
    "param_rejected": Fault.REQUEST,
    "context_length": Fault.REQUEST,
    "content_policy": Fault.REQUEST,
    "rejected": Fault.REQUEST,
    "key_rejected": Fault.SETUP,
    "payment_required": Fault.SETUP,
    "not_found": Fault.SETUP,
    "redirected": Fault.SETUP,
    "rate_limited": Fault.CAPACITY,
    "deadline": Fault.CAPACITY,
    "server_error": Fault.ANSWER,
    "answer_error": Fault.ANSWER,
    "answer_empty": Fault.ANSWER,
    "answer_truncated": Fault.ANSWER,
    "answer_unreadable": Fault.ANSWER,
    "answer_too_large": Fault.ANSWER,
    "protocol": Fault.ANSWER,
    "connect": Fault.NETWORK,
    "tls": Fault.NETWORK,
    "connection_lost": Fault.NETWORK,
    "memory": Fault.SIDECAR,
    "interrupted": Fault.SIDECAR,
    "internal": Fault.SIDECAR,
    # kinds of error, of the primary's answers
    "invalid_request": Fault.REQUEST,
    "too_large": Fault.REQUEST,
    "authentication": Fault.SETUP,
    "permission": Fault.SETUP,
    "overloaded": Fault.CAPACITY,
    "timeout": Fault.CAPACITY,
    "unavailable": Fault.ANSWER,
    "tool_call_invalid": Fault.ANSWER,
    "truncated": Fault.ANSWER,
    "malformed": Fault.ANSWER,
    "empty": Fault.ANSWER,
    "unknown": Fault.ANSWER,
    "no_answer": Fault.NETWORK,
}


def fault(word: str | None) -> Fault:
    """Whose fault an error is, by its word; one that nobody knows is the arm's."""
    return FAULTS.get(word or "unknown", Fault.ANSWER)
