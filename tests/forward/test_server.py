"""What a client and an upstream see of the sidecar between them, byte by byte."""

import asyncio
import gzip
import socket
import struct
from pathlib import Path

import orjson
import pytest

from shadow.exchange import Outcome
from tests.forward.conftest import Bench, read_head, running

GET = b"GET /v1/models HTTP/1.1\r\nHost: sidecar\r\n\r\n"
STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def post(body: bytes, *headers: bytes) -> bytes:
    lines = [b"POST /api/v1/chat/completions HTTP/1.1", b"Host: sidecar", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class TestBytesUnchanged:
    async def test_request_reaches_upstream_with_its_own_headers_and_upstreams_host(self, bench: Bench) -> None:
        """Nothing is added, order and case are kept, and only Host differs."""
        await bench.ask(post(b'{"a":1, "a":1.0}\n', b"X-CaseD: 1", b"Set-Thing: a", b"Set-Thing: b"))
        host = bench.origin.url.removeprefix("http://").encode()
        assert bench.origin.requests == [
            b"POST /api/v1/chat/completions HTTP/1.1\r\nHost: " + host + b"\r\nContent-Length: 17\r\nX-CaseD: 1\r\n"
            b'Set-Thing: a\r\nSet-Thing: b\r\n\r\n{"a":1, "a":1.0}\n'
        ]

    async def test_answer_reaches_the_client_as_it_was_sent(self, bench: Bench) -> None:
        """Status line with its odd reason, names that differ in case, duplicates, and bytes that are not UTF-8."""
        answer = (
            b"HTTP/1.1 299 Quite Fine\r\nX-b: 1\r\nx-B: 2\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Latin: caf\xe9\r\n"
            b"X-Empty: \r\nContent-Length: 2\r\n"
        )
        bench.origin.answering(answer + b"\r\nok")
        assert await bench.ask(GET) == answer + b"Connection: close\r\n\r\nok"

    @pytest.mark.parametrize("target", [b"/a%2Fb/../x//y?b=%2f&c", b"//elsewhere.example/x", b"/a?b=c?d", b"/%7e;p=1"])
    async def test_target_is_not_normalised(self, bench: Bench, target: bytes) -> None:
        """Escapes, dots, slashes and parameters travel as written, and a second slash names no other host."""
        await bench.ask(b"GET %s HTTP/1.1\r\nHost: sidecar\r\n\r\n" % target)
        assert bench.origin.requests[0].split(b" ")[1] == target

    async def test_compressed_answer_is_not_decompressed(self, bench: Bench) -> None:
        """Compressed bytes reach the client with their Content-Encoding."""
        body = gzip.compress(b"hello" * 100)
        bench.origin.answering(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        head, _, received = (await bench.ask(GET)).partition(b"\r\n\r\n")
        assert (received, b"Content-Encoding: gzip" in head) == (body, True)

    async def test_compressed_request_is_not_decompressed(self, bench: Bench) -> None:
        """Compressed bytes reach upstream with their Content-Encoding."""
        body = gzip.compress(b"hello" * 100)
        await bench.ask(post(body, b"Content-Encoding: gzip"))
        assert bench.origin.requests[0].endswith(b"\r\nContent-Encoding: gzip\r\n\r\n" + body)

    async def test_chunked_request_is_sent_chunked(self, bench: Bench) -> None:
        """A request of unknown length has the same bytes upstream."""
        await bench.ask(
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"hello") + b"0\r\n\r\n"
        )
        assert bench.origin.requests[0].endswith(b"\r\n\r\n" + chunk(b"hello") + b"0\r\n\r\n")

    async def test_next_request_begins_where_the_chunks_end(self, bench: Bench) -> None:
        """Chunks and trailers are followed to their end, so that the next request begins with its own first byte."""
        client = await bench.connect()
        await client.send(
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"hello") + b"0\r\n\r\n" + GET
        )
        for _ in range(2):
            await client.head()
            assert await client.exactly(2) == b"ok"
        assert bench.origin.requests[1].startswith(b"GET /v1/models HTTP/1.1\r\n")

    async def test_get_with_a_body_keeps_it(self, bench: Bench) -> None:
        """The method decides nothing about the body of a request."""
        await bench.ask(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
        assert bench.origin.requests[0].endswith(b"\r\n\r\nhi")

    async def test_head_keeps_the_content_length(self, bench: Bench) -> None:
        """The answer to HEAD tells the length of a body that is not there."""
        bench.origin.answering(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n")
        answer = await bench.ask(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert answer == b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\n"

    @pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
    async def test_bodiless_answers_have_no_body(self, bench: Bench, status: bytes) -> None:
        """204 and 304 end with their head, without any framing added."""
        bench.origin.answering(b"HTTP/1.1 %s\r\nETag: x\r\n\r\n" % status)
        assert await bench.ask(GET) == b"HTTP/1.1 %s\r\nETag: x\r\nConnection: close\r\n\r\n" % status

    async def test_redirect_is_passed_through(self, bench: Bench) -> None:
        """The sidecar follows nothing."""
        bench.origin.answering(b"HTTP/1.1 307 Go\r\nLocation: http://x.example/\r\nContent-Length: 0\r\n\r\n")
        answer = await bench.ask(GET)
        assert answer.startswith(b"HTTP/1.1 307 Go\r\nLocation: http://x.example/\r\n")

    async def test_large_headers_pass_both_ways(self, bench: Bench) -> None:
        """32 KB of headers are no reason to refuse."""
        bench.origin.answering(b"HTTP/1.1 200 OK\r\nX-Big: " + b"a" * 32_000 + b"\r\nContent-Length: 0\r\n\r\n")
        answer = await bench.ask(b"GET / HTTP/1.1\r\nHost: a\r\nX-Big: " + b"b" * 32_000 + b"\r\n\r\n")
        assert (b"a" * 32_000 in answer, b"b" * 32_000 in bench.origin.requests[0]) == (True, True)

    async def test_each_chunk_of_a_stream_arrives_before_the_next_is_sent(self, bench: Bench) -> None:
        """Events and comments are neither held back nor merged."""
        go = asyncio.Event()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_head(reader)
            writer.write(STREAM_HEAD + chunk(b": OPENROUTER PROCESSING\n\n"))
            await go.wait()
            writer.write(chunk(b"data: {}\n\n") + b"0\r\n\r\n")

        bench.origin.script = script
        client = await bench.connect()
        await client.send(GET)
        assert await client.head() == STREAM_HEAD
        first = chunk(b": OPENROUTER PROCESSING\n\n")
        assert await client.exactly(len(first)) == first
        go.set()
        last = chunk(b"data: {}\n\n") + b"0\r\n\r\n"
        assert await client.exactly(len(last)) == last

    async def test_connection_is_kept_for_the_next_request(self, bench: Bench) -> None:
        """Two requests on one connection get their own answers."""
        client = await bench.connect()
        for _ in range(2):
            await client.send(GET)
            await client.head()
            assert await client.exactly(2) == b"ok"

    async def test_large_upload_arrives_whole(self, bench: Bench) -> None:
        """A body larger than every buffer is the same at the other end."""
        body = bytes(range(256)) * 40_000
        await bench.ask(post(body))
        assert bench.origin.requests[0].endswith(b"\r\n\r\n" + body)

    async def test_large_upload_to_a_kept_connection_arrives_whole(self, bench: Bench) -> None:
        """A body whose beginning comes with its head goes on where there is no connection to wait for."""

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                await bench.origin.answer_plainly(reader, writer)

        bench.origin.script = script
        client = await bench.connect()
        body = bytes(range(256)) * 40_000
        for request in (GET, post(body), GET):
            await client.send(request)
            await client.head()
            assert await client.exactly(2) == b"ok"
        assert bench.origin.requests[1].endswith(b"\r\n\r\n" + body)
        assert bench.origin.connections == 1

    async def test_expected_continue_is_answered(self, bench: Bench) -> None:
        """A client that waits for 100 gets it, even where upstream ignores the expectation."""
        client = await bench.connect()
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert await client.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b"hi")
        await client.head()
        assert bench.origin.requests[0].endswith(b"\r\n\r\nhi")


class TestTags:
    async def test_resolved_tenant_travels_upstream(self, tmp_path: Path) -> None:
        """A tenant found in the path is added as a header, and X-Shadow headers end at the sidecar."""
        rules = {"tenant": [{"path_prefix": "/t/"}]}
        async with running(tmp_path, attribution=rules) as bench:
            await bench.ask(b"GET /t/acme/v1 HTTP/1.1\r\nHost: a\r\nX-Shadow-Sample: 1\r\n\r\n")
            request = bench.origin.requests[0]
            exchange = await bench.recorded()
        assert request.endswith(b"\r\nX-Tenant-Id: acme\r\n\r\n")
        assert b"x-shadow" not in request.lower()
        assert exchange.attribution.tenant == "acme"
        assert exchange.request_headers == (("x-shadow-sample", "1"),)


class TestTruncation:
    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
            STREAM_HEAD + chunk(b"hello"),
            STREAM_HEAD + b"a\r\nhello",
        ],
        ids=["length", "between chunks", "inside a chunk"],
    )
    async def test_short_answer_stays_short(self, bench: Bench, answer: bytes) -> None:
        """What upstream breaks off ends without a final chunk and short of its length."""
        bench.origin.answering(answer)
        received = await bench.ask(GET)
        assert not received.endswith(b"0\r\n\r\n")
        assert (await bench.recorded()).outcome is Outcome.UPSTREAM_TRUNCATED

    async def test_reset_of_a_stream_that_ends_with_its_connection_is_no_clean_end(self, bench: Bench) -> None:
        """Without any length only the reset tells that the answer is cut."""

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_head(reader)
            writer.write(b"HTTP/1.1 200 OK\r\n\r\nhello")
            await writer.drain()
            await seen.wait()
            reset(writer)

        seen = asyncio.Event()
        bench.origin.script = script
        client = await bench.connect()
        await client.send(GET)
        await client.head()
        await client.exactly(len(b"hello"))
        seen.set()
        with pytest.raises(ConnectionResetError):
            await client.rest()
        assert (await bench.recorded()).outcome is Outcome.UPSTREAM_TRUNCATED

    async def test_old_client_sees_a_reset(self, bench: Bench) -> None:
        """HTTP/1.0 has no framing but the end of the connection, so a cut answer must not end it cleanly."""
        bench.origin.answering(STREAM_HEAD + chunk(b"hello"))
        client = await bench.connect()
        await client.send(b"GET / HTTP/1.0\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            await client.rest()

    async def test_aborted_upload_is_no_complete_request(self, bench: Bench) -> None:
        """A client that leaves in the middle of a chunked upload gives upstream no final chunk."""
        received = asyncio.get_running_loop().create_future()

        async def script(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
            await read_head(reader)
            started.set()
            received.set_result(await reader.read(-1))

        started = asyncio.Event()
        bench.origin.script = script
        client = await bench.connect()
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"hello"))
        await started.wait()
        client.leave()
        assert not (await received).endswith(b"0\r\n\r\n")
        assert (await bench.recorded()).outcome is Outcome.CLIENT_CANCELLED


class TestRefusals:
    @pytest.mark.parametrize(
        ("request_bytes", "status"),
        [
            (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
            (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nhi", 400),
            (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
            (b"GET / HTTP/1.1\nHost: a\n\n\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n", 400),
            (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", 400),
            (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
            (b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
            (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nh", 400),
            (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 1\r\n\r\nh", 400),
            (b"CONNECT other.example:443 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        ],
    )
    async def test_ambiguous_request_is_refused_and_reaches_no_upstream(
        self, bench: Bench, request_bytes: bytes, status: int
    ) -> None:
        """Whatever two servers could read in two ways is answered here, and the connection is closed."""
        client = await bench.connect()
        await client.send(request_bytes)
        answer = await client.rest()
        assert (int(answer.split(b" ")[1]), bench.origin.connections) == (status, 0)

    async def test_malformed_request_is_not_repeated(self, bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
        """A broken header may hold a key: neither the answer nor the log shows it."""
        client = await bench.connect()
        await client.send(b"GET / HTTP/1.1\r\nAuthorization : Bearer sk-canary\r\n\r\n")
        answer = await client.rest()
        assert b"sk-canary" not in answer + caplog.text.encode()
        assert answer.startswith(b"HTTP/1.1 400 ")

    async def test_hop_by_hop_headers_end_here(self, bench: Bench) -> None:
        """Headers named in Connection are removed, but never those that carry the request's meaning."""
        client = await bench.connect()
        await client.send(
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Hop, authorization\r\n"
            b"X-Hop: 1\r\nAuthorization: Bearer k\r\n\r\n"
        )
        await client.head()
        assert b"X-Hop" not in bench.origin.requests[0]
        assert b"\r\nAuthorization: Bearer k\r\n" in bench.origin.requests[0]


class TestFaults:
    async def test_upstream_down_is_a_502_of_the_sidecars_own(self, tmp_path: Path) -> None:
        """The answer has the shape that OpenAI's clients read and a header that no upstream can set."""
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
            async with running(tmp_path, upstream={"url": url}) as bench:
                head, _, body = (await bench.ask(GET)).partition(b"\r\n\r\n")
                exchange = await bench.recorded()
                counted = bench.metric("shadow_requests_total", outcome="upstream_failed", code_class="5xx")
        assert head.startswith(b"HTTP/1.1 502 ")
        assert b"\r\nX-Shadow-Error: upstream_unreachable" in head
        assert orjson.loads(body)["error"]["code"] == "upstream_unreachable"
        assert (exchange.outcome, exchange.failure, exchange.status) == (
            "upstream_failed",
            "upstream_unreachable",
            None,
        )
        assert counted == 1

    async def test_crash_while_connecting_leaves_no_client_waiting(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whatever goes wrong where nothing should, the client gets an answer, and nothing stays in flight."""

        async def dial() -> None:
            raise RuntimeError

        monkeypatch.setattr(bench.forwarder._server.pool, "dial", dial)
        assert b"\r\nX-Shadow-Error: sidecar_failed\r\n" in await bench.ask(GET)
        assert bench.metric("shadow_requests_in_flight") == 0

    async def test_tls_that_fails_is_told_apart(self, tmp_path: Path) -> None:
        """An upstream that speaks no TLS where TLS is configured is a 502 with a word of its own."""

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        async with running(tmp_path) as plain:
            plain.origin.script = script
            (tmp_path / "tls").mkdir()
            url = plain.origin.url.replace("http://", "https://")
            async with running(tmp_path / "tls", upstream={"url": url}) as bench:
                assert b"\r\nX-Shadow-Error: upstream_tls_failed\r\n" in await bench.ask(GET)

    async def test_upstreams_502_is_not_marked_as_the_sidecars(self, bench: Bench) -> None:
        """An upstream that sets the mark itself does not get it through."""
        bench.origin.answering(b"HTTP/1.1 502 Bad\r\nX-Shadow-Error: forged\r\nContent-Length: 0\r\n\r\n")
        assert b"X-Shadow-Error" not in await bench.ask(GET)

    @pytest.mark.parametrize(
        ("answer", "failure"),
        [
            (b"", "upstream_disconnected"),
            (b"SSH-2.0-OpenSSH\r\n\r\n", "upstream_garbled"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok", "upstream_garbled"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", "upstream_garbled"),
        ],
    )
    async def test_unusable_answer_is_a_502(self, bench: Bench, answer: bytes, failure: str) -> None:
        """No answer, one that is not HTTP, and one with two framings: constant text, and a word for what it was."""
        bench.origin.answering(answer)
        received = await bench.ask(post(b"{}"))
        assert received.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
        assert (await bench.recorded()).failure == failure

    async def test_silent_upstream_is_a_504(self, tmp_path: Path) -> None:
        """The configured silence between two reads ends the wait."""

        async def script(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
            await reader.read(-1)

        async with running(tmp_path, upstream={"read_timeout_s": 0.05}) as bench:
            bench.origin.script = script
            assert b"\r\nX-Shadow-Error: upstream_timed_out\r\n" in await bench.ask(GET)

    @pytest.mark.parametrize("begun", [False, True], ids=["before the first byte", "in mid-stream"])
    async def test_client_that_leaves_cancels_upstream(self, bench: Bench, begun: bool) -> None:
        """The upstream connection is closed at once, and the client's going is not blamed on upstream."""

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_head(reader)
            if begun:
                writer.write(STREAM_HEAD + chunk(b"data: 1\n\n"))
            waiting.set()
            await reader.read(-1)

        waiting = asyncio.Event()
        bench.origin.script = script
        client = await bench.connect()
        await client.send(GET)
        await waiting.wait()
        if begun:
            await client.head()
        client.leave()
        await asyncio.wait_for(bench.origin.ended.wait(), 10)
        exchange = await bench.recorded()
        assert (exchange.outcome, exchange.failure) == (Outcome.CLIENT_CANCELLED, "client_left")

    async def test_client_that_leaves_a_lively_stream_cancels_upstream(self, bench: Bench) -> None:
        """A client that closes without a reset is known to be gone by what it no longer takes."""

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_head(reader)
            writer.write(STREAM_HEAD)
            while not writer.is_closing() and not reader.at_eof():
                writer.write(chunk(b"data: 1\n\n"))
                await asyncio.sleep(0.01)  # the stimulus: a stream that is never silent

        bench.origin.script = script
        client = await bench.connect()
        await client.send(GET)
        await client.head()
        client.writer.close()
        await asyncio.wait_for(bench.origin.ended.wait(), 10)
        assert (await bench.recorded()).outcome is Outcome.CLIENT_CANCELLED

    async def test_client_that_leaves_is_noticed_by_one_chunk(self, bench: Bench) -> None:
        """What it no longer took tells, and no second chunk is needed: the stream may be silent from there on."""

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_head(reader)
            writer.write(STREAM_HEAD)
            await left.wait()
            writer.write(chunk(b"data: 1\n\n"))
            await reader.read(-1)

        left = asyncio.Event()
        bench.origin.script = script
        client = await bench.connect()
        await client.send(GET)
        await client.head()
        client.writer.close()
        await client.writer.wait_closed()
        left.set()
        await asyncio.wait_for(bench.origin.ended.wait(), 10)
        assert (await bench.recorded()).failure == "client_left"

    async def test_client_that_closes_its_half_gets_the_whole_answer(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Once it has taken something since, it is there, however long the upstream is silent afterwards."""

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_head(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\none")
            for pause_s in (0.05, 1.0):  # the stimulus: within the wait, then far beyond it
                await asyncio.sleep(pause_s)
                writer.write(b"more")

        monkeypatch.setattr("shadow.forward.half_closed.HALF_CLOSED_S", 0.3)
        bench.origin.script = script
        client = await bench.connect()
        await client.send(b"GET / HTTP/1.0\r\n\r\n")
        client.writer.write_eof()
        assert (await client.rest()).endswith(b"onemoremore")
        assert (await bench.recorded()).outcome is Outcome.COMPLETE

    async def test_answer_given_up_after_a_half_close_does_not_look_whole(self, bench: Bench) -> None:
        """Where the connection's end would be the answer's, silence ends it with a reset."""

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_head(reader)
            writer.write(b"HTTP/1.1 200 OK\r\n\r\nhalf")
            await reader.read(-1)

        bench.origin.script = script
        client = await bench.connect()
        await client.send(GET)
        await client.head()
        client.writer.write_eof()
        with pytest.raises(ConnectionResetError):
            await client.rest()
        assert (await bench.recorded()).failure == "client_left"

    async def test_answer_to_a_stalled_upload_does_not_look_whole(self, tmp_path: Path) -> None:
        """An answer that has begun is cut with a reset where the connection's end would be its own."""

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_head(reader)
            writer.write(b"HTTP/1.1 200 OK\r\n\r\nhalf")
            await reader.read(-1)

        async with running(tmp_path, upstream={"read_timeout_s": 0.1}) as bench:
            bench.origin.script = script
            client = await bench.connect()
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nbegun")
            await client.head()
            with pytest.raises(ConnectionResetError):
                await client.rest()
            assert (await bench.recorded()).failure == "upload_stalled"

    async def test_early_answer_during_an_upload_reaches_the_client(self, bench: Bench) -> None:
        """Upstream says 413 while the client is still sending: the client reads it."""

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_head(reader)
            writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
            await writer.drain()
            await reader.read(-1)

        bench.origin.script = script
        client = await bench.connect()
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n" + b"x" * 100_000)
        assert (await client.head()).startswith(b"HTTP/1.1 413 Too Large\r\n")
        assert await client.exactly(3) == b"big"

    async def test_stale_connection_never_sends_a_post_twice(self, bench: Bench) -> None:
        """An upstream that hangs up on the second request of a connection sees that request once."""

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await bench.origin.answer_plainly(reader, writer)
            await bench.origin.read_request(reader)

        bench.origin.script = script
        await bench.ask(post(b"1"))
        answer = await bench.ask(post(b"2"))
        assert answer.startswith(b"HTTP/1.1 502 ")
        assert len(bench.origin.requests) == 2

    async def test_bytes_after_an_answer_reach_no_later_client(self, bench: Bench) -> None:
        """A connection on which upstream said too much is not used again."""
        go = asyncio.Event()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await bench.origin.read_request(reader)
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad"
            )
            await go.wait()

        bench.origin.script = script
        first, second = await bench.ask(GET), await bench.ask(GET)
        go.set()
        assert (first.endswith(b"ok"), second.endswith(b"ok")) == (True, True)
        assert bench.origin.connections == 2

    async def test_many_streams_are_upstream_at_once(self, bench: Bench) -> None:
        """No pool limit makes one client wait for another."""
        count, here, all_here = 150, 0, asyncio.Event()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal here
            await read_head(reader)
            here += 1
            if here == count:
                all_here.set()
            await all_here.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        bench.origin.script = script
        answers = await asyncio.wait_for(asyncio.gather(*(bench.ask(GET) for _ in range(count))), 30)
        assert all(answer.startswith(b"HTTP/1.1 200 OK") for answer in answers)

    async def test_client_that_does_not_read_stalls_upstream(self, bench: Bench) -> None:
        """Back-pressure reaches upstream, so that memory does not grow with a client's slowness."""
        sent = 0

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            await read_head(reader)
            writer.transport.set_write_buffer_limits(high=0)
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            for _ in range(1024):
                writer.write(bytes(1 << 16))
                try:
                    await asyncio.wait_for(writer.drain(), 0.5)
                except TimeoutError:
                    stalled.set()
                    return
                sent += 1 << 16

        stalled = asyncio.Event()
        bench.origin.script = script
        client = await bench.connect()
        client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await client.send(GET)
        await asyncio.wait_for(stalled.wait(), 10)
        assert sent < 64 << 20


class TestRecord:
    async def test_finished_exchange_is_handed_over_as_it_passed(self, bench: Bench) -> None:
        """Bodies, status, kept headers and chunk arrivals are those of the wire; credentials are not among them."""
        bench.origin.answering(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Secret: s\r\nContent-Length: 4\r\n\r\n{} \n"
        )
        await bench.ask(post(b'{"model":"m"}', b"Authorization: Bearer sk-1", b"User-Agent: t"))
        exchange = await bench.recorded()
        assert (exchange.method, exchange.path, exchange.status) == ("POST", "/api/v1/chat/completions", 200)
        assert (exchange.request_body.head, exchange.response_body.head) == (b'{"model":"m"}', b"{} \n")
        assert exchange.request_headers == (("user-agent", "t"),)
        assert exchange.response_headers == (("content-type", "application/json"),)
        assert exchange.outcome is Outcome.COMPLETE
        assert exchange.arrivals[-1][0] == 4
        assert exchange.attribution.key_fingerprint is not None

    async def test_a_websocket_is_counted_and_nothing_of_it_captured(self, bench: Bench) -> None:
        """That there was one is told; what was said in it is nobody's."""

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_head(reader)
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello")
            assert await reader.readexactly(6) == b"secret"

        bench.origin.script = script
        client = await bench.connect()
        await client.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"))
        await client.head()
        assert await client.exactly(5) == b"hello"
        await client.send(b"secret")
        client.writer.write_eof()
        await client.rest()
        exchange = await bench.recorded()
        assert (exchange.outcome, exchange.status) == (Outcome.COMPLETE, 101)
        assert (exchange.request_body.size, exchange.response_body.size) == (0, 0)
        assert b"secret" not in bench.inbox.bytes
        assert bench.metric("shadow_requests_total", outcome="complete", code_class="1xx") == 1

    async def test_requests_are_counted_by_how_they_ended(self, bench: Bench) -> None:
        """Once a request is over, none is in flight and one is counted."""
        await bench.ask(GET)
        await bench.inbox.holds(1)
        assert bench.metric("shadow_requests_total", outcome="complete", code_class="2xx") == 1
        assert bench.metric("shadow_requests_in_flight") == 0
