"""Heads on their way through: which lines cross."""

from urllib.parse import urlsplit

import pytest

from shadow.egress import Proxy
from shadow.forward.crossing import Crossing, answer
from shadow.forward.heads import read_answer, read_request

URL = "http://up.example/base"


def sent(
    *lines: bytes,
    start: bytes = b"GET /a?b HTTP/1.1",
    tags: tuple[bytes, ...] = (),
    url: str = "http://up.example",
    upgrade: bool = False,
    proxy: Proxy | None = None,
) -> list[bytes]:
    """The lines that go upstream for a request of these."""
    head = b"\r\n".join((start, *lines, b"", b""))
    out = Crossing(url, proxy).request(read_request(head), tags, upgrade=upgrade)
    assert out.endswith(b"\r\n\r\n")
    return out[:-4].split(b"\r\n")


def returned(*lines: bytes, start: bytes = b"HTTP/1.1 200 OK", close: bool = False, chunks: bool = True) -> list[bytes]:
    """The lines that go back to the client for an answer of these."""
    head = b"\r\n".join((start, *lines, b"", b""))
    return answer(read_answer(head), close=close, chunks=chunks)[:-4].split(b"\r\n")


def test_order_case_space_and_repeats_are_kept() -> None:
    """Lines go on in the order and spelling in which they came; Host names the upstream, in its place."""
    assert sent(b"b:1", b"HOST: sidecar", b"A:  2 ", b"B: 3", b"b: 1") == [
        b"GET /a?b HTTP/1.1", b"b:1", b"HOST: up.example", b"A:  2 ", b"B: 3", b"b: 1",
    ]  # fmt: skip


def test_a_request_without_host_gets_one() -> None:
    """HTTP/1.0 needs no Host, the HTTP/1.1 that is spoken upstream does."""
    assert sent(start=b"GET / HTTP/1.0") == [b"GET / HTTP/1.1", b"Host: up.example"]


def test_the_base_path_comes_first() -> None:
    """A configured path goes before every target but `*`, which is none."""
    assert sent(b"Host: a", url=URL)[0] == b"GET /base/a?b HTTP/1.1"
    assert sent(b"Host: a", url=URL, start=b"OPTIONS * HTTP/1.1")[0] == b"OPTIONS * HTTP/1.1"


@pytest.mark.parametrize(
    "line",
    [
        b"Connection: close", b"Keep-Alive: timeout=5", b"Proxy-Authorization: x", b"Proxy-X: x", b"TE: trailers",
        b"Upgrade: h2c", b"HTTP2-Settings: x", b"X-Shadow-Sample: 1", b"x-shadow-anything: 1",
    ],
)  # fmt: skip
def test_lines_of_this_hop_and_for_the_sidecar_end_here(line: bytes) -> None:
    """What is meant for this hop, or for the sidecar, goes no further."""
    assert sent(b"Host: a", line) == [b"GET /a?b HTTP/1.1", b"Host: up.example"]


def test_headers_listed_in_connection_end_here() -> None:
    """Connection names further headers of this hop, in any case, over several lines; both ways."""
    lines = (b"Connection: close, X-Hop", b"connection: x-other", b"x-hop: 1", b"X-Other: 2", b"Stay: 1")
    assert sent(b"Host: a", *lines)[2:] == [b"Stay: 1"]
    assert returned(*lines)[1:] == [b"Stay: 1"]


@pytest.mark.parametrize(
    "name", [b"Authorization", b"Content-Length", b"Host", b"Content-Type", b"X-Api-Key", b"Trailer", b"Cookie"]
)
def test_connection_takes_no_end_to_end_header(name: bytes) -> None:
    """A client cannot be made to lose its credentials or its framing by listing them."""
    host = () if name == b"Host" else (b"Host: a",)
    lines = sent(*host, b"Connection: " + name.lower(), name + b": 1")
    assert any(line.startswith(name + b": ") for line in lines)


def test_chunking_crosses() -> None:
    """The chunks go on as they are, so what describes them goes with them."""
    lines = (b"Transfer-Encoding: chunked", b"Trailer: X-Sum")
    assert sent(b"Host: a", *lines)[2:] == list(lines)
    assert returned(*lines)[1:] == list(lines)
    assert returned(*lines, chunks=False)[1:] == []


def test_tags_are_added_last() -> None:
    """A resolved value travels as a header at the end."""
    tags = (b"X-Tenant-Id: t",)
    assert sent(b"Host: a", b"A: 1", tags=tags)[2:] == [b"A: 1", b"X-Tenant-Id: t"]


def test_an_upgrade_is_said_anew() -> None:
    """Connection and Upgrade are of the hop, and this hop asks for the same."""
    asked = sent(b"Host: a", b"Connection: keep-alive, Upgrade", b"Upgrade: websocket", upgrade=True)
    assert asked[2:] == [b"Connection: Upgrade", b"Upgrade: websocket"]


def test_a_proxy_that_reads_requests_gets_whole_urls() -> None:
    """With its credentials; the upstream's name stays in Host."""
    lines = sent(b"Host: a", url=URL, proxy=Proxy("proxy", 3128, "u", "p"))
    assert lines == [
        b"GET http://up.example/base/a?b HTTP/1.1", b"Host: " + urlsplit(URL).netloc.encode(),
        b"Proxy-Authorization: Basic dTpw",
    ]  # fmt: skip


def test_an_upstream_cannot_set_the_sidecars_mark() -> None:
    """The mark of the sidecar's own answers is taken from upstream's; other headers are not."""
    assert returned(b"x-shadow-error: 1", b"X-Shadow-Other: 2")[1:] == [b"X-Shadow-Other: 2"]


def test_the_last_answer_of_a_connection_says_so() -> None:
    """Where the connection ends with the answer, the client is told; the status line is the upstream's."""
    assert returned(b"A: 1", start=b"HTTP/1.0 299 It's \xe4ll", close=True) == [
        b"HTTP/1.1 299 It's \xe4ll", b"A: 1", b"Connection: close",
    ]  # fmt: skip
