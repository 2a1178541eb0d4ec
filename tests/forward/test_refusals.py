"""Which requests are not forwarded, and the sidecar's own answers."""

import orjson
import pytest

from shadow.forward.refusals import REQUEST_REFUSALS, UNREACHABLE, refusal

HOST = (b"Host", b"a")


@pytest.mark.parametrize(
    ("method", "target", "version", "headers", "code"),
    [
        (b"GET", b"/a?b", (1, 1), [HOST], None),
        (b"GET", b"/", (1, 0), [], None),
        (b"POST", b"/", (1, 1), [HOST, (b"transfer-encoding", b" Chunked")], None),
        (b"GET", b"/", (2, 0), [HOST], "bad_version"),
        (b"GET", b"/", (1, 1), [], "bad_host"),
        (b"GET", b"/", (1, 1), [HOST, HOST], "bad_host"),
        (b"GET", b"http://x/", (1, 1), [HOST], "bad_target"),
        (b"GET", b"/a#b", (1, 1), [HOST], "bad_target"),
        (b"GET", b"/\xc3\xa9", (1, 1), [HOST], "bad_target"),
        (b"CONNECT", b"a:1", (1, 1), [HOST], "tunnel"),
        (b"GET", b"/", (1, 1), [HOST, (b"Upgrade", b"h2c, WebSocket")], "upgrade"),
        (b"POST", b"/", (1, 1), [HOST, (b"Content-Length", b"-1")], "bad_framing"),
        (b"POST", b"/", (1, 1), [HOST, (b"Content-Length", b"1, 1")], "bad_framing"),
        (b"POST", b"/", (1, 1), [HOST, (b"Content-Length", b"1"), (b"Content-Length", b"1")], "bad_framing"),
        (b"POST", b"/", (1, 1), [HOST, (b"Transfer-Encoding", b"gzip, chunked")], "bad_coding"),
        (b"POST", b"/", (1, 0), [HOST, (b"Transfer-Encoding", b"chunked")], "bad_framing"),
    ],
)
def test_refusal(
    method: bytes, target: bytes, version: tuple[int, int], headers: list[tuple[bytes, bytes]], code: str | None
) -> None:
    """Only requests that cannot be read in two ways go on."""
    found = refusal(method, target, version, headers)
    assert (found and found.code) == code


def test_own_answer_is_an_openai_error() -> None:
    """The body has an `error` with the members that OpenAI's clients read."""
    assert set(orjson.loads(UNREACHABLE.body)["error"]) == {"message", "type", "param", "code"}


def test_codes_differ() -> None:
    """Each refusal is counted under a word of its own."""
    assert len({said.code for said in REQUEST_REFUSALS}) == len(REQUEST_REFUSALS)
