"""P4, promises 31 to 42: the shadow never hurts the primary, and neither do a slow client or a dying upstream."""

import os
import resource
import select
import signal
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.raw import (
    HOST,
    Peer,
    Wire,
    answer,
    body_of,
    chunk,
    eventually,
    get,
    post,
    serving,
    wired,
)

COMPLETION = (
    b'{"id":"gen-1","model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant",'
    b'"content":"Hello."}}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"cost":0.0001}}'
)
ANSWER = answer(COMPLETION, b"Content-Type: application/json")
QUESTION = post(b'{"model":"m","messages":[{"role":"user","content":"Hi"}]}', b"Content-Type: application/json")
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
MEGABYTE = bytes(1 << 20)


def well(peer: Peer) -> None:
    """A provider for which everything is well."""
    while peer.message():
        peer.send(ANSWER)


def ask(wire: Wire, times: int) -> None:
    """So many questions on one connection, each of which must be answered as the upstream does."""
    client = Peer(socket.create_connection(("127.0.0.1", wire.port), 10))
    for _ in range(times):
        assert client.send(QUESTION).message() == ANSWER
    client.close()


def flood(peer: Peer) -> None:
    peer.message()
    peer.send(EVENTS)
    while True:
        peer.send(chunk(b'data: {"padding":"%b"}\n\n' % (b"x" * 1000) * 64))


def huge(peer: Peer) -> None:
    peer.message()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
    for _ in range(100):
        peer.send(bytes(1_000_000))


def garbage(peer: Peer) -> None:
    peer.message()
    peer.send(os.urandom(1 << 16))


def hang(peer: Peer) -> None:
    peer.message()
    peer.rest()


def resetting(peer: Peer) -> None:
    peer.message()
    peer.send(EVENTS + chunk(b"data: {}\n\n"))
    peer.reset()


def mirrored(url: str, **settings: Any) -> dict[str, Any]:
    """A configuration with one candidate that is sent everything."""
    ferry = {"name": "ferry", "url": f"{url}/v1", "models": {"*": "m"}, "sample": {"rate": 1.0}, "deadline_s": 0.5}
    return {"consent_default": "allow", "candidates": [ferry | settings]}


@pytest.mark.parametrize("candidate", [hang, resetting, flood, garbage, huge])
def test_promise_31_a_hostile_candidate_hurts_no_client(tmp_path: Path, candidate: Callable[[Peer], None]) -> None:
    """Whatever a candidate does, every client gets the upstream's answer, and every replay an end."""
    with (
        serving(well) as upstream,
        serving(candidate) as hostile,
        wired(tmp_path, upstream={"url": upstream}, **mirrored(hostile)) as wire,
    ):
        with ThreadPoolExecutor(4) as clients:
            for done in [clients.submit(ask, wire, 3) for _ in range(4)]:
                done.result()
        assert eventually(lambda: wire.count("replays", "outcome IS NOT NULL") == 12)


class TestPromise32:
    """Whatever happens to the recorder, no client notices; metrics do."""

    def test_killed_again_and_again(self, tmp_path: Path) -> None:
        """SIGKILL under load: every answer is right, and every exchange is stored once."""
        with serving(well) as upstream, wired(tmp_path, upstream={"url": upstream}) as wire:
            for _ in range(5):
                pid = wire.recorder_pid()
                asking = threading.Thread(target=ask, args=(wire, 50))
                asking.start()
                os.kill(pid, signal.SIGKILL)
                asking.join()
                eventually(lambda gone=pid: not Path(f"/proc/{gone}").exists())
            assert eventually(lambda: wire.count("exchanges") == 250)

    def test_stopped(self, tmp_path: Path) -> None:
        """SIGSTOP: clients are served, the scrape says that the recorder is down, and afterwards nothing is missing."""
        with serving(well) as upstream, wired(tmp_path, upstream={"url": upstream}) as wire:
            eventually(lambda: wire.metric("shadow_recorder_up") == 1)
            pid = wire.recorder_pid()
            os.kill(pid, signal.SIGSTOP)
            try:
                ask(wire, 100)
                assert wire.metric("shadow_recorder_up") == 0
                assert wire.metric("shadow_handoff_bytes") > 0
            finally:
                os.kill(pid, signal.SIGCONT)
            assert eventually(lambda: wire.count("exchanges") == 100)

    def test_out_of_disk(self, tmp_path: Path) -> None:
        """No space for the store: clients are served, the handoff holds, and it catches up once there is space."""
        with serving(well) as upstream, wired(tmp_path, upstream={"url": upstream}) as wire:
            ask(wire, 1)
            assert eventually(lambda: wire.count("exchanges") == 1)
            pid = wire.recorder_pid()
            before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            ask(wire, 50)
            eventually(lambda: wire.metric("shadow_handoff_resends_total") > 0)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
            assert eventually(lambda: wire.count("exchanges") == 51)

    def test_without_its_socket(self, tmp_path: Path) -> None:
        """The socket's file is gone and the recorder killed: it comes back on a new one, and nothing is missing."""
        environment = {"TMPDIR": str(tmp_path)}
        with serving(well) as upstream, wired(tmp_path, environment, upstream={"url": upstream}) as wire:
            eventually(lambda: wire.metric("shadow_recorder_up") == 1)
            [path] = tmp_path.glob("shadow-*/recorder.sock")
            path.unlink()
            ask(wire, 50)
            os.kill(wire.recorder_pid(), signal.SIGKILL)
            ask(wire, 50)
            assert eventually(lambda: wire.count("exchanges") == 100)


def test_promise_33_a_full_handoff_drops_and_counts(tmp_path: Path) -> None:
    """With the recorder stopped and no room left, exchanges are dropped and counted, and memory stays where it is."""
    with (
        serving(well) as upstream,
        wired(
            tmp_path, upstream={"url": upstream}, capture={"max_bytes": "64KiB"}, handoff={"max_bytes": "640KiB"}
        ) as wire,
    ):
        pid = wire.recorder_pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            ask(wire, 1500)
            before = wire.memory_mb()
            ask(wire, 1000)
            assert wire.metric("shadow_handoff_exchanges_total", result="dropped") >= 1000
            assert wire.metric("shadow_handoff_bytes") <= 640 << 10
            assert wire.memory_mb() - before < 5
        finally:
            os.kill(pid, signal.SIGCONT)


def test_promise_34_two_thousand_streams_are_upstream_at_once(wire: Wire) -> None:
    """No pool makes one client wait for another: all requests arrive before the first is answered, and all end well."""
    needed = 4 * 2000 + 100
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, needed)), hard))
    said = EVENTS + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
    clients = [wire.client(QUESTION) for _ in range(2000)]
    upstreams = []
    for _ in clients:
        upstreams.append(wire.upstream())
        upstreams[-1].message()
    for upstream in upstreams:
        upstream.send(said)
    assert all(client.message() == said for client in clients)


def test_promise_35_a_long_stream_survives(tmp_path: Path) -> None:
    """A stream that lasts several times longer than any time-out goes on while something comes."""
    with wired(tmp_path, upstream={"connect_timeout_s": 0.5, "read_timeout_s": 0.5}) as wire:
        client = wire.client(QUESTION)
        upstream = wire.upstream()
        upstream.message()
        upstream.send(EVENTS)
        client.head()
        for _ in range(20):
            time.sleep(0.15)  # the stimulus: a slow upstream
            upstream.send(chunk(b": wait\n\n"))
            assert client.exactly(len(chunk(b": wait\n\n"))) == chunk(b": wait\n\n")
        upstream.send(b"0\r\n\r\n")
        assert client.exactly(5) == b"0\r\n\r\n"


def test_promise_36_a_client_that_does_not_read_stalls_the_upstream(wire: Wire) -> None:
    """What the client does not take stays with the upstream, not in the sidecar's memory."""
    client = wire.client(QUESTION)
    upstream = wire.upstream()
    upstream.message()
    upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    client.head()
    before = wire.memory_mb()
    upstream.sock.setblocking(False)
    sent = 0
    while writable(upstream.sock, 0.5) and sent < 200 << 20:
        with suppress(BlockingIOError):
            sent += upstream.sock.send(MEGABYTE)
    assert sent < 64 << 20  # what the kernel's buffers of four sockets hold
    assert wire.memory_mb() - before < 20


def writable(sock: socket.socket, within_s: float) -> bool:
    """Whether the kernel takes more."""
    poll = select.poll()
    poll.register(sock, select.POLLOUT)
    return bool(poll.poll(within_s * 1000))


@pytest.mark.parametrize("how", [Peer.close, Peer.reset], ids=["closed", "reset"])
@pytest.mark.parametrize("begun", [False, True], ids=["before the first byte", "in mid-stream"])
def test_promise_37_a_client_that_leaves_cancels_the_upstream(
    wire: Wire, begun: bool, how: Callable[[Peer], None]
) -> None:
    """The upstream's connection ends, so that it stops generating, and nobody blames it."""
    before = wire.metric("shadow_requests_total", outcome="client_cancelled")
    client = wire.client(QUESTION)
    upstream = wire.upstream()
    upstream.message()
    if begun:
        upstream.send(EVENTS + chunk(b"data: {}\n\n"))
        client.until(b"data: {}")
    how(client)
    assert upstream.ended()
    assert wire.metric("shadow_requests_total", outcome="client_cancelled") == before + 1


def test_promise_38_a_stale_connection_never_sends_a_post_twice(wire: Wire) -> None:
    """An upstream that hangs up on a kept connection may have acted on the request: it sees it once, the client 502."""
    client = wire.client(QUESTION)
    upstream = wire.upstream()
    upstream.message()
    upstream.send(ANSWER)
    assert client.message() == ANSWER
    client.send(QUESTION)
    assert upstream.message().endswith(body_of(QUESTION))
    upstream.close()
    said = client.message()
    assert said.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert b"\r\nX-Shadow-Error: upstream_disconnected\r\n" in said
    assert wire.untouched()


def test_promise_38_a_get_is_sent_again(wire: Wire) -> None:
    """What may be repeated is, on a new connection; the client notices nothing."""
    client = wire.client(get())
    first = wire.upstream()
    first.message()
    first.send(ANSWER)
    assert client.message() == ANSWER
    client.send(get(b"/again"))
    first.message()
    first.close()
    second = wire.upstream()
    assert second.message().startswith(b"GET /again ")
    second.send(ANSWER)
    assert client.message() == ANSWER


def test_promise_38_a_closed_idle_connection_costs_nothing(wire: Wire) -> None:
    """An upstream that closes an idle connection in good time is connected to anew, for a POST, too."""
    for _ in range(20):
        client = wire.client(QUESTION)
        upstream = wire.upstream()
        upstream.message()
        upstream.send(ANSWER)
        assert client.message() == ANSWER
        upstream.close()


@pytest.mark.parametrize("coding", [b"Content-Encoding: gzip", b"X-Coding: none"], ids=["bomb", "one event"])
def test_promise_39_the_capture_gives_up_and_the_client_does_not(tmp_path: Path, coding: bytes) -> None:
    """50 MB in one event, or what claims to be packed: the client gets every byte, and the record their number."""
    body = b"data: " + bytes(range(256)) * 200_000
    with wired(tmp_path, capture={"max_bytes": "1MiB"}) as wire:
        client = wire.client(QUESTION)
        upstream = wire.upstream()
        upstream.message()
        before = wire.memory_mb()
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(upstream.send, answer(body, coding))
            came = client.head() + client.exactly(len(body))
            sending.result()
        assert came == answer(body, coding)
        assert wire.memory_mb() - before < 20
        [row] = eventually(lambda: wire.rows("SELECT outcome, response_bytes FROM exchanges"))
        assert row == {"outcome": "complete", "response_bytes": len(body)}


@pytest.mark.parametrize("ending", [Peer.close, Peer.finish, Peer.silent], ids=["closes", "half-closes", "stays"])
def test_promise_40_an_early_answer_reaches_the_uploading_client(wire: Wire, ending: Callable[[Peer], object]) -> None:
    """413 in the middle of a 50 MB upload: the client gets it, whatever the upstream does with the rest."""
    client = wire.client(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 50000000\r\n\r\n")
    upstream = wire.upstream()
    upstream.head()
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(upload, client, 50_000_000)
        upstream.exactly(1_000_000)
        upstream.send(answer(b"too large", status=b"413 Content Too Large"))
        ending(upstream)
        said = client.until(b"too large")
        assert said.startswith(b"HTTP/1.1 413 Content Too Large\r\n")
        client.close()
        sending.result()


def upload(client: Peer, count: int) -> None:
    """Send, until nobody takes it any more."""
    with suppress(OSError):
        for _ in range(count >> 20):
            client.send(MEGABYTE)


class TestPromise41:
    """SIGTERM: what runs ends well, what is new is refused, and the exit code is 0."""

    def test_streams_finish(self, tmp_path: Path) -> None:
        """Readiness turns false, the listener closes, the stream under way gets its end."""
        with wired(tmp_path) as wire:
            client = wire.client(QUESTION)
            upstream = wire.upstream()
            upstream.message()
            upstream.send(EVENTS + chunk(b"data: {}\n\n"))
            client.until(b"data: {}\n\n\r\n")
            idle = wire.client()
            wire.process.send_signal(signal.SIGTERM)
            eventually(lambda: wire.admin("/-/ready")[0] != 200)
            assert eventually(lambda: refuses(wire))
            assert idle.ended()
            upstream.send(chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")
            assert client.rest() == chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
            assert wire.process.wait(20) == 0
            assert wire.rows("SELECT outcome FROM exchanges") == [{"outcome": "complete"}]

    def test_the_grace_period_ends(self, tmp_path: Path) -> None:
        """A stream that does not end in time is cut, visibly, and recorded so."""
        with wired(tmp_path, drain_s=0.2) as wire:
            client = wire.client(QUESTION)
            upstream = wire.upstream()
            upstream.message()
            upstream.send(EVENTS)
            client.head()
            wire.process.send_signal(signal.SIGTERM)
            assert client.ended()
            assert wire.process.wait(20) == 0
            [row] = wire.rows("SELECT outcome, failure FROM exchanges")
            assert row == {"outcome": "upstream_truncated", "failure": "sidecar_stopped"}

    def test_replays_are_cancelled(self, tmp_path: Path) -> None:
        """A candidate that hangs does not keep the sidecar from stopping."""
        with (
            serving(well) as upstream,
            serving(hang) as hanging,
            wired(tmp_path, upstream={"url": upstream}, **mirrored(hanging, deadline_s=300)) as wire,
        ):
            ask(wire, 1)
            eventually(lambda: wire.count("replays", "outcome IS NULL AND sent_at IS NOT NULL"))
            assert wire.stop() == 0


def refuses(wire: Wire) -> bool:
    """Whether the data port takes no connections."""
    try:
        socket.create_connection(("127.0.0.1", wire.port), 5).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://{nobody}", b"upstream_unreachable"),
        ("http://no-such-host.invalid", b"upstream_unreachable"),
        ("https://{plain}", b"upstream_tls_failed"),
    ],
    ids=["down", "no such name", "no TLS"],
)
def test_promise_42_an_unreachable_upstream_is_a_marked_502(
    tmp_path: Path, nobody: str, url: str, error: bytes
) -> None:
    """Constant text in the shape OpenAI's clients read, and a header that says whose answer it is."""

    def not_tls(peer: Peer) -> None:
        peer.some()
        peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with serving(not_tls) as plain:
        named = url.format(nobody=nobody, plain=plain.removeprefix("http://"))
        with wired(tmp_path, upstream={"url": named}) as wire:
            said = wire.client(QUESTION).message()
    assert said.startswith(b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: application/json\r\n")
    assert b"\r\nX-Shadow-Error: " + error + b"\r\n" in said
    assert b'{"error":{"message":"' in said
    assert named.partition("://")[2].encode() not in said


def test_promise_42_the_upstreams_own_502_is_not_marked(wire: Wire) -> None:
    """The mark is the sidecar's alone: an upstream that sets it does not get it through."""
    said = answer(b"{}", b"X-Shadow-Error: forged", status=b"502 Bad Gateway")
    came = wire.exchange(QUESTION, said)[1]
    assert came == answer(b"{}", status=b"502 Bad Gateway")
