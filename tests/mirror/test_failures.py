"""What went wrong with a replay, and what the candidate asked for."""

import dataclasses

import pytest

from shadow.exchange import Body, Outcome
from shadow.mirror.failures import LONGEST_REST_S, failure, refuses_stream_options, retry_after_s
from shadow.mirror.reasons import Failed
from shadow.wire.errors import ERROR_KINDS
from tests.mirror.making import JSON, body, chat, observed


def replay(status, answer=b"", **changes):
    content = answer if isinstance(answer, bytes) else body(answer).head
    return chat(status=status, response_body=Body(content, b"", len(content)), arm="ferry", **changes)


def error(message="no", **more):
    return {"error": {"message": message, **more}}


@pytest.mark.parametrize(
    ("status", "answer", "expected"),
    [
        (400, error(code="unsupported_parameter", param="max_tokens"), Failed.PARAM_REJECTED),
        (400, error('Unknown name "seed": Cannot find field.', param="seed"), Failed.PARAM_REJECTED),
        (422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"]}]}, Failed.PARAM_REJECTED),
        (400, error("maximum context length is 8192 tokens"), Failed.CONTEXT_LENGTH),
        (400, error(code="content_filter"), Failed.CONTENT_POLICY),
        (400, error(), Failed.REJECTED),
        (413, error(), Failed.REJECTED),
        (418, b"", Failed.REJECTED),
        (401, error(), Failed.KEY_REJECTED),
        (403, error(), Failed.KEY_REJECTED),
        (402, error(), Failed.PAYMENT_REQUIRED),
        (404, error(), Failed.NOT_FOUND),
        (429, error(), Failed.RATE_LIMITED),
        (500, error(), Failed.SERVER_ERROR),
        (502, b"<html>Bad gateway</html>", Failed.SERVER_ERROR),
        (503, b"", Failed.SERVER_ERROR),
        (504, error(), Failed.SERVER_ERROR),
        (408, error(), Failed.SERVER_ERROR),
        (301, b"", Failed.REDIRECTED),
        (307, error(), Failed.REDIRECTED),
        (200, b"<html>Welcome</html>", Failed.ANSWER_UNREADABLE),
        (200, b"not json", Failed.ANSWER_UNREADABLE),
        (200, error(code=429), Failed.RATE_LIMITED),
        (200, error("odd"), Failed.ANSWER_ERROR),
    ],
)
def test_an_answer_that_is_none_has_its_reason(status, answer, expected):
    """Status and words together tell what the failure was, also inside a 200."""
    exchange = replay(status, answer)
    assert failure(exchange, observed(exchange)) is expected


def test_a_good_answer_is_no_failure():
    """The one way to complete."""
    exchange = chat(arm="ferry")
    assert failure(exchange, observed(exchange)) is None


def test_the_wire_comes_first():
    """Where the connection broke, the part of an answer that arrived explains nothing."""
    exchange = replay(200, b'{"error"', outcome=Outcome.UPSTREAM_TRUNCATED, failure=Failed.DEADLINE.value)
    assert failure(exchange, observed(exchange)) is Failed.DEADLINE


@pytest.mark.parametrize("kind", sorted(ERROR_KINDS))
@pytest.mark.parametrize("status", [None, 200, 400, 500])
def test_every_kind_of_error_has_a_reason(kind, status):
    """No error kind of the wire room falls through."""
    exchange = replay(status)
    observation = dataclasses.replace(observed(exchange), error_kind=kind)
    assert failure(exchange, observation) in Failed


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("2", 2.0),
        (" 30 ", 30.0),
        ("0", 0.0),
        ("999999", LONGEST_REST_S),
        ("9" * 5000, LONGEST_REST_S),
        ("Thu, 01 Jan 1970 00:16:50 GMT", 10.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("soon", None),
        ("-1", None),
        ("", None),
        ("1.5", None),
        ("٣", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(said, expected):
    """Both forms of RFC 9110 are understood and bounded; anything else is no wish."""
    exchange = replay(429, response_headers=(*JSON, ("retry-after", said)))
    assert retry_after_s(exchange, now=1000.0) == expected


def test_a_good_answer_asks_for_no_pause():
    """`Retry-After` on a success means something else."""
    assert retry_after_s(replay(200, response_headers=(("retry-after", "9"),)), now=0.0) is None
    assert retry_after_s(replay(429), now=0.0) is None


ASKED = b'{"stream":true,"stream_options":{"include_usage":true}}'


@pytest.mark.parametrize(
    ("status", "asked", "answer", "expected"),
    [
        (422, ASKED, b'{"detail":[{"loc":["body","stream_options"]}]}', True),
        (400, ASKED, b"Unknown field: include_usage", True),
        (400, ASKED, b"Unknown field: seed", False),
        (500, ASKED, b"stream_options", False),
        (400, b'{"stream":true}', b"stream_options", False),
    ],
)
def test_a_refusal_of_stream_options_is_recognised(status, asked, answer, expected):
    """Only a refusal that names the field, of a request that held it, is one."""
    assert refuses_stream_options(replay(status, answer, request_body=body(asked))) is expected
