"""How fast a recorder takes exchanges in: `python -m tests.benchmarks.bench_record [COUNT] [--candidates N]`.

Starts `python -m shadow.record` as the service does and feeds it through the forwarder's own handoff, in this process:
chat completions with a 900-byte request and a 700-byte answer, one in four a stream of 40 chunks. They are made, packed
and sent while the recorder works, so the load generator runs beside it. Candidates sample nothing, so that what is
measured is recording. Prints, per round, exchanges acknowledged per second from the first offer to the last commit, the
processor time per exchange of the recorder and of the generator, the recorder's memory, and bytes on disk.
"""

import argparse
import asyncio
import os
import pickle
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import orjson
import uvloop

from shadow.config import Candidate, Config, Storage, Upstream
from shadow.exchange import PRIMARY, Attribution, Body, Exchange, Outcome
from shadow.forward.handoff import BATCH_FRAMES, Handoff
from shadow.forward.identity import RANDOM_BYTES, uuid7
from shadow.forward.metrics import Metrics
from shadow.forward.recorder_client import RecorderClient
from tests.packing import frame

WARM_UP = 2 * BATCH_FRAMES
AHEAD = 4 * BATCH_FRAMES  # so far the generator runs ahead: a batch always waits, and none is dropped
HELD_BYTES = 64 << 20  # the default of `handoff.max_bytes`
MAX_DELAY_S = 0.2  # the default of `handoff.max_delay_ms`
AT_ONCE = 32  # as many as the forwarder hands over before requests have their turn
DRAIN_S = 60.0
QUESTION = {
    "model": "openai/gpt-4o-mini",
    "messages": [{"role": "system", "content": "Be brief. " * 40}, {"role": "user", "content": "What is it? " * 30}],
    "temperature": 0.2,
}
USAGE = {
    "prompt_tokens": 210,
    "completion_tokens": 90,
    "total_tokens": 300,
    "cost": 0.0000855,
    "prompt_tokens_details": {"cached_tokens": 0},
}
ANSWER = {
    "id": "gen-1780000000-abcdefghijklmnopqrst",
    "provider": "OpenAI",
    "model": "openai/gpt-4o-mini",
    "object": "chat.completion",
    "created": 1780000000,
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "It is. " * 50}}],
    "usage": USAGE,
}


def stream() -> bytes:
    head = {key: ANSWER[key] for key in ("id", "provider", "model", "created")}
    pieces = [
        {**head, "choices": [{"index": 0, "delta": {"role": "assistant", "content": f"It is {number}. "}}]}
        for number in range(40)
    ]
    last = {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": USAGE}
    events = [b"data: " + orjson.dumps(piece) + b"\n\n" for piece in [*pieces, last]]
    return b"".join([*events, b"data: [DONE]\n\n"])


def exchange(number: int, streamed: bytes) -> Exchange:
    is_stream = number % 4 == 0
    request = orjson.dumps({**QUESTION, "stream": is_stream, "user": f"user-{number}"})
    response = streamed if is_stream else orjson.dumps(ANSWER)
    step = max(1, len(response) // 40)
    arrivals = [(end, end / len(response)) for end in range(step, len(response) + 1, step)] if is_stream else []
    kind = "text/event-stream" if is_stream else "application/json"
    began = int(time.time() * 1000)
    return Exchange(
        exchange_id=uuid7(began, os.urandom(RANDOM_BYTES)),
        arm=PRIMARY,
        started_at=began / 1000,
        method="POST",
        path="/api/v1/chat/completions",
        attribution=Attribution(f"tenant-{number % 50}", "summaries", None, "0123456789abcdef" * 2),
        request_headers=(("content-type", "application/json"), ("user-agent", "OpenAI/Python 3.54.0")),
        request_body=Body(request, b"", len(request)),
        outcome=Outcome.COMPLETE,
        status=200,
        response_headers=(("content-type", kind),),
        response_body=Body(response, b"", len(response)),
        first_byte_s=0.3,
        total_s=1.0,
        arrivals=tuple(arrivals),
    )


def configuration(directory: Path, candidates: int) -> Config:
    arms = tuple(
        Candidate(name=f"candidate-{number}", url="http://127.0.0.1:9/v1", models={"*": "gpt-4o-mini"})
        for number in range(candidates)
    )
    store = Storage(path=directory / "shadow.db")
    return Config(upstream=Upstream(url="https://openrouter.ai"), consent_default="deny", candidates=arms, store=store)


def seconds_used(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


async def main(count: int, candidates: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        socket = Path(name) / "recorder.sock"
        command = (sys.executable, "-m", "shadow.record", "--socket", socket)
        began = time.perf_counter()
        with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:  # noqa: ASYNC220, S603
            assert process.stdin is not None
            process.stdin.write(pickle.dumps(configuration(Path(name), candidates)))
            process.stdin.close()
            while not socket.exists():  # noqa: ASYNC110 (another process makes it)
                await asyncio.sleep(0.005)
            said = [f"{time.perf_counter() - began:.2f} s to start, {resident_mb(process.pid):.0f} MB then"]
            said += await measured(socket, process.pid, count)
            process.terminate()
        size = (Path(name) / "shadow.db").stat().st_size
        said.append(f"{size / (count + WARM_UP):,.0f} bytes on disk per exchange")
    sys.stdout.write("\n".join(said) + "\n")


async def measured(socket: Path, pid: int, count: int) -> list[str]:
    client, streamed = RecorderClient(socket), stream()
    await hand_over(client, streamed, range(WARM_UP))
    used, own, began = seconds_used(pid), time.process_time(), time.perf_counter()
    await hand_over(client, streamed, range(count))
    took, own, used = time.perf_counter() - began, time.process_time() - own, seconds_used(pid) - used
    await client.close()
    return [
        f"{count / took:,.0f} exchanges stored per second, end to end",
        f"{used / count * 1e6:.0f} µs of processor time each, and {own / count * 1e6:.0f} µs of the generator's",
        f"{resident_mb(pid):.0f} MB after {count:,} exchanges",
    ]


async def hand_over(client: RecorderClient, streamed: bytes, numbers: range) -> None:
    """Through a handoff of its own, until the last exchange is acknowledged."""
    metrics = Metrics(())
    handoff = Handoff(client.add, metrics, HELD_BYTES, MAX_DELAY_S)
    handoff.start()
    for number in numbers:
        while number % AT_ONCE == 0 and number - acknowledged(metrics) > AHEAD:  # noqa: ASYNC110 (the metric is what tells)
            await asyncio.sleep(0.001)
        handoff.offer(frame(exchange(number, streamed)))
    await handoff.drain(DRAIN_S)
    await handoff.close()
    assert acknowledged(metrics) == len(numbers)


def acknowledged(metrics: Metrics) -> float:
    return metrics.registry.get_sample_value("shadow_handoff_exchanges_total", {"result": "acknowledged"}) or 0.0


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int, nargs="?", default=20_000)
    parser.add_argument("--candidates", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    for _ in range(arguments.rounds):
        uvloop.run(main(arguments.count, arguments.candidates))
