"""Every exchange × arm ends in exactly one outcome with a reason of its set, whatever the candidates do."""

import asyncio
import itertools
import random
from collections import Counter
from contextlib import asynccontextmanager

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shadow.exchange import Outcome, ReplayOutcome
from shadow.mirror import Mirror
from shadow.mirror.reasons import REASONS
from shadow.wire.request import read_request
from tests.mirror.making import ANSWER, HELLO, JSON, Ledger, body, chat, config, observed

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def whole(status: bytes, content: bytes, *headers: bytes) -> bytes:
    lines = (b"HTTP/1.1 " + status, b"Content-Type: application/json", b"Content-Length: %d" % len(content), *headers)
    return b"\r\n".join((*lines, b"", content))


GOOD = whole(b"200 OK", body(ANSWER).head)
ERROR = b'{"error":{"message":"no"}}'


async def good(writer):
    writer.write(GOOD)


async def fails(writer):
    writer.write(whole(b"500 Oops", ERROR))


async def refuses(writer):
    writer.write(whole(b"400 Bad", b'{"error":{"message":"no","code":"unsupported_parameter","param":"x"}}'))


async def limits(writer):
    writer.write(whole(b"429 Busy", ERROR, b"Retry-After: 0"))


async def redirects(writer):
    writer.write(whole(b"302 Found", b"", b"Location: http://127.0.0.1:1/"))


async def babbles(writer):
    writer.write(b"\x00garbage\r\n\r\n")


async def truncates(writer):
    writer.write(HEAD + b'Content-Length: 999\r\n\r\n{"id"')
    await writer.drain()
    writer.close()


async def resets(writer):
    writer.transport.abort()


async def hangs(_writer):
    await asyncio.Event().wait()


async def floods(writer):
    writer.write(HEAD + b"Content-Length: 104857600\r\n\r\n")
    for _ in range(100):
        writer.write(b"x" * (1 << 20))
        await writer.drain()


async def lies(writer):
    writer.write(whole(b"200 OK", ERROR))


BEHAVIOURS = (good, fails, refuses, limits, redirects, babbles, truncates, resets, hangs, floods, lies)


@asynccontextmanager
async def candidate(choose):
    """A server that treats each request as `choose()` says; its URL."""
    running = set()

    async def serve(reader, writer):
        running.add(asyncio.current_task())
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
                await reader.readexactly(int(length.split(b":")[1]))
                await choose()(writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            pass
        finally:
            running.discard(asyncio.current_task())
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tuple(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def traffic(chances: random.Random):
    """Exchanges of a mixed day, some of them nothing to replay."""
    headers = ((), (("x-shadow-sample", "never"),), (("x-shadow-sample", "always"),), (("x-shadow-replay", "1"),))
    for number in itertools.count():
        request = {**HELLO, "messages": [{"role": "user", "content": f"Question {number}"}]}
        request |= chances.choice(({}, {}, {}, {"stream": True}, {"n": 2}, {"provider": {"zdr": True}}))
        outcome = chances.choice((Outcome.COMPLETE,) * 8 + (Outcome.CLIENT_CANCELLED,))
        yield chat(request, outcome=outcome, request_headers=JSON + chances.choice(headers[:1] * 9 + headers))


def check(ledger: Ledger, ended, exchanges, arms) -> None:
    """Outcomes sum to exchanges × arms, each once, each with a reason of its set; what was sent was marked."""
    every = [*ended, *ledger.settled]
    pairs = Counter((replay.exchange_id, replay.arm) for replay in every)
    assert set(pairs) == {(exchange.exchange_id, arm) for exchange in exchanges for arm in arms}
    assert set(pairs.values()) <= {1}
    for replay in every:
        if replay.outcome is ReplayOutcome.COMPLETED:
            assert replay.reason is None
        else:
            assert replay.reason in REASONS[replay.outcome]
    marked = Counter(told[1:] for told in ledger.told if told[0] == "sent")
    assert set(marked.values()) <= {1}
    sent = {
        (one.exchange_id, one.arm) for one in every if one.outcome in (ReplayOutcome.FAILED, ReplayOutcome.COMPLETED)
    }
    assert sent <= set(marked)


STEPS = st.lists(
    st.sampled_from(["submit", "submit", "submit", "yield", "wait", "pause", "resume", "later", "much later"]),
    max_size=30,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS, st.lists(st.sampled_from(BEHAVIOURS), min_size=1, max_size=6), st.integers(1, 3), st.booleans())
def test_any_interleaving_ends_everything_once(steps, behaviours, concurrency, settle_slowly):
    """Submissions, pauses, time and a stop at any moment, against candidates that hang, reset, flood and lie."""
    asyncio.run(interleave(steps, behaviours, concurrency, settle_slowly))


async def interleave(steps, behaviours, concurrency, settle_slowly):
    now = 0.0
    turns = itertools.cycle(behaviours)

    class Slow(Ledger):
        async def settle(self, replay):
            await asyncio.sleep(0.001 if settle_slowly else 0)
            await super().settle(replay)

    async with candidate(lambda: next(turns)) as url:
        ledger = Slow()
        settings = config(url, max_concurrency=concurrency, deadline_s=0.2)
        mirror = Mirror(settings, ledger, clock=lambda: now)
        await mirror.start()
        exchanges, ended = [], []
        for step in steps:
            if step == "submit":
                exchanges.append(chat())
                over, plans = mirror.decide(exchanges[-1], observed(exchanges[-1]), read_request(exchanges[-1]))
                ended += [*over, *filter(None, map(mirror.submit, plans))]
            elif step in ("pause", "resume"):
                getattr(mirror, step)()
            elif step in ("later", "much later"):
                now += 0.05 if step == "later" else 40
            else:
                await asyncio.sleep(0.005 if step == "wait" else 0)
        await mirror.close()
    check(ledger, ended, exchanges, ("ferry",))
    assert mirror.unsettled == 0
    assert [(state.queued, state.in_flight) for state in mirror.states()] == [(0, 0)]
