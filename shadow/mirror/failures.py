"""What went wrong with a replay, and what that says of the candidate. Pure.

The kinds of error come from `shadow.wire.errors`; here they become the closed set of reasons of a failed replay.
"""

from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from shadow.exchange import Exchange, Observation, header
from shadow.faults import Fault, fault
from shadow.mirror.reasons import Failed
from shadow.wire.errors import ErrorKind

LONGEST_REST_S: Final = 3600.0  # a candidate that asks for more is left alone again when it says so again

# What the next replay would meet too, whatever it asks: these open the circuit.
TRIPPING: Final = frozenset(
    {
        Failed.KEY_REJECTED,
        Failed.PAYMENT_REQUIRED,
        Failed.REDIRECTED,
        Failed.RATE_LIMITED,
        Failed.SERVER_ERROR,
        Failed.DEADLINE,
        Failed.ANSWER_TRUNCATED,
        Failed.ANSWER_UNREADABLE,
        Failed.ANSWER_TOO_LARGE,
        Failed.CONNECT,
        Failed.TLS,
        Failed.CONNECTION_LOST,
        Failed.PROTOCOL,
    }
)
# These are the sidecar's own and tell nothing about the candidate.
SILENT: Final = frozenset(reason for reason in Failed if fault(reason) is Fault.SIDECAR)

_BY_KIND: Final[Mapping[str, Failed]] = {
    ErrorKind.INVALID_REQUEST: Failed.REJECTED,
    ErrorKind.PARAM_REJECTED: Failed.PARAM_REJECTED,
    ErrorKind.CONTEXT_LENGTH: Failed.CONTEXT_LENGTH,
    ErrorKind.TOO_LARGE: Failed.REJECTED,
    ErrorKind.CONTENT_POLICY: Failed.CONTENT_POLICY,
    ErrorKind.TOOL_CALL_INVALID: Failed.ANSWER_ERROR,
    ErrorKind.AUTHENTICATION: Failed.KEY_REJECTED,
    ErrorKind.PAYMENT_REQUIRED: Failed.PAYMENT_REQUIRED,
    ErrorKind.PERMISSION: Failed.KEY_REJECTED,
    ErrorKind.RATE_LIMITED: Failed.RATE_LIMITED,
    ErrorKind.NOT_FOUND: Failed.NOT_FOUND,
    ErrorKind.TIMEOUT: Failed.SERVER_ERROR,
    ErrorKind.OVERLOADED: Failed.SERVER_ERROR,
    ErrorKind.UNAVAILABLE: Failed.SERVER_ERROR,
    ErrorKind.SERVER_ERROR: Failed.SERVER_ERROR,
    ErrorKind.NO_ANSWER: Failed.CONNECTION_LOST,
    ErrorKind.TRUNCATED: Failed.ANSWER_TRUNCATED,
    ErrorKind.EMPTY: Failed.ANSWER_EMPTY,
}


def failure(exchange: Exchange, observation: Observation) -> Failed | None:
    """Why a replay that was sent failed; None for a good answer."""
    if exchange.failure is not None:  # the wire broke: that says more than the part of an answer that is here
        return Failed(exchange.failure)
    status = exchange.status
    if status is not None and 300 <= status < 400:
        return Failed.REDIRECTED
    kind = observation.error_kind
    if kind is None:
        return None if status is not None and 200 <= status < 300 else _by_status(status)
    if kind == ErrorKind.UNKNOWN and status is not None and status < 400:
        return Failed.ANSWER_ERROR
    return _BY_KIND.get(kind) or _by_status(status)


def retry_after_s(exchange: Exchange, now: float) -> float | None:
    """For how many seconds the candidate asked to be left alone; None where it did not.

    `Retry-After` is a number of seconds or a date (RFC 9110); `now` is Unix time.
    """
    if exchange.status is None or exchange.status < 400:
        return None
    said = (header(exchange.response_headers, "retry-after") or "").strip()
    if said.isascii() and said.isdigit():
        return min(float(said[:9]), LONGEST_REST_S)
    try:
        until = parsedate_to_datetime(said)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max(until.timestamp() - now, 0.0), LONGEST_REST_S)


def refuses_stream_options(exchange: Exchange) -> bool:
    """Whether the candidate refused the request on account of its `stream_options`."""
    if exchange.status not in (400, 422) or b'"stream_options"' not in exchange.request_body.head:
        return False
    return b"stream_options" in exchange.response_body.head or b"include_usage" in exchange.response_body.head


def _by_status(status: int | None) -> Failed:
    if status is None:
        return Failed.CONNECTION_LOST
    if status < 400:
        return Failed.ANSWER_UNREADABLE
    return Failed.REJECTED if status < 500 else Failed.SERVER_ERROR
