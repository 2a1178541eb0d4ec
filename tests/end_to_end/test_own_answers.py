"""The sidecar's own answers, as the client library of OpenAI takes them: its usual errors, retried as it would."""

import socket
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from tests.end_to_end.raw import Peer, Wire, answer, serving, wired

COMPLETION = answer(
    b'{"id":"gen-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop",'
    b'"message":{"role":"assistant","content":"Hello."}}]}',
    b"Content-Type: application/json",
)


def asked(wire: Wire, retries: int) -> str | None:
    """What an application that uses the library gets to see."""
    url = f"http://127.0.0.1:{wire.port}/api/v1"
    with openai.OpenAI(api_key="sk-or-v1-x", base_url=url, max_retries=retries) as client:
        completion = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
        return completion.choices[0].message.content


@pytest.fixture
def nobody() -> Iterator[str]:
    """The URL of a port that is bound and does not listen."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"


def test_an_unreachable_upstream_is_the_librarys_usual_error(tmp_path: Path, nobody: str) -> None:
    """InternalServerError with the sidecar's sentence and word, told apart by its header; retried as often as asked."""
    with wired(tmp_path, upstream={"url": nobody}) as wire:
        with pytest.raises(openai.InternalServerError) as raised:
            asked(wire, retries=1)
        tried = wire.metric("shadow_requests_total", outcome="upstream_failed", code_class="5xx")
    assert (raised.value.status_code, raised.value.code) == (502, "upstream_unreachable")
    assert raised.value.type == "shadow_sidecar_error"
    assert raised.value.response.headers["X-Shadow-Error"] == "upstream_unreachable"
    assert "The upstream could not be reached." in raised.value.message
    assert tried == 2


def test_a_retry_that_succeeds_is_all_that_the_application_sees(tmp_path: Path) -> None:
    """An upstream that hangs up on the first request costs it a retry of the library's own, which is answered."""
    connections: list[Peer] = []

    def hang_up_once(peer: Peer) -> None:
        connections.append(peer)
        while peer.message():
            if len(connections) == 1:
                return
            peer.send(COMPLETION)

    with serving(hang_up_once) as url, wired(tmp_path, upstream={"url": url}) as wire:
        assert asked(wire, retries=1) == "Hello."
        assert wire.metric("shadow_requests_total", outcome="upstream_failed") == 1
        assert wire.metric("shadow_requests_total", outcome="complete") == 1


def test_a_silent_upstream_is_an_error_in_time(tmp_path: Path) -> None:
    """The 504 that ends the wait is raised as the library raises a server's."""

    def silent(peer: Peer) -> None:
        peer.message()
        peer.rest()

    with (
        serving(silent) as url,
        wired(tmp_path, upstream={"url": url, "read_timeout_s": 0.2}) as wire,
        pytest.raises(openai.InternalServerError) as raised,
    ):
        asked(wire, retries=0)
    assert (raised.value.status_code, raised.value.code) == (504, "upstream_timed_out")
