"""The sidecar's own answers."""

import orjson

from shadow.forward.refusals import REQUEST_REFUSALS, UNREACHABLE


def test_own_answer_is_an_openai_error() -> None:
    """Marked, whole, and with the members that OpenAI's clients read."""
    head, _, body = UNREACHABLE.answer(close=False).partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"HTTP/1.1 502 Bad Gateway", b"Content-Type: application/json", b"Content-Length: %d" % len(body),
        b"X-Shadow-Error: upstream_unreachable",
    ]  # fmt: skip
    assert set(orjson.loads(body)["error"]) == {"message", "type", "param", "code"}


def test_an_answer_to_head_has_no_body() -> None:
    """Its length is that of the body it would have had."""
    answer, whole = UNREACHABLE.answer(close=True, body=False), UNREACHABLE.answer(close=True)
    assert whole.startswith(answer)
    assert answer.endswith(b"\r\nConnection: close\r\n\r\n")


def test_codes_differ() -> None:
    """Each refusal is counted under a word of its own."""
    assert len({said.code for said in REQUEST_REFUSALS}) == len(REQUEST_REFUSALS)
