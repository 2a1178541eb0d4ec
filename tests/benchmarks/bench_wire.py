"""What it takes to read the facts out of an answer: `python -m tests.benchmarks.bench_wire`.

Beside it, over the same bytes: `json.loads`, and the official client's own parser, which builds an object per chunk.
Best of rounds, in microseconds; the ratios travel between machines better than the figures.
"""

import json
import sys
import time
from collections.abc import Callable

import httpx2
from openai import OpenAI, Stream
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from shadow.exchange import Exchange
from shadow.wire.observe import observe
from shadow.wire.prices import PriceBook
from shadow.wire.sse import SSEParser
from tests.wire.exchanges import SSE, chunk, exchange, stream

ROUNDS = 30
CHUNKS = 1000
CHARACTERS = 100_000
USAGE = {
    "prompt_tokens": 254,
    "completion_tokens": CHUNKS,
    "total_tokens": 254 + CHUNKS,
    "cost": 0.00012104999999999999,
    "is_byok": False,
    "prompt_tokens_details": {"cached_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0},
    "cost_details": {"upstream_inference_cost": 0.00012104999999999999},
}
COMMON = {"object": "chat.completion.chunk", "created": 1786465029}
CLIENT = OpenAI(api_key="none", base_url="http://localhost")


def main() -> None:
    """Measure both answers and print a line for each way of reading them."""
    text = {"role": "assistant", "content": 'It said "no".\n' * (CHARACTERS // 14)}
    body = {"id": "gen-1", "model": "v/m", "choices": [{"index": 0, "message": text, "finish_reason": "stop"}]}
    said = [chunk(f"word{number} ", role="assistant") | COMMON for number in range(CHUNKS)]
    report("stream", stream(*said, chunk("", finish="stop", usage=USAGE) | COMMON), client_stream, json_stream)
    report("body", json.dumps(body | {"object": "chat.completion", "usage": USAGE}).encode(), client_body, json.loads)


def report(name: str, answer: bytes, client: Callable[[bytes], object], plain: Callable[[bytes], object]) -> None:
    """Measure the three ways over one answer."""
    source = as_exchange(answer)
    book = PriceBook({}, None, openrouter=True)
    ours = best(lambda: observe(source, book))
    theirs, floor = best(lambda: client(answer)), best(lambda: plain(answer))
    say(f"{name} of {len(answer):,} bytes")
    say(f"  observe       {ours:>10,.0f} µs")
    say(f"  json.loads    {floor:>10,.0f} µs   observe takes {ours / floor:.1f} times as long")
    say(f"  openai client {theirs:>10,.0f} µs   {theirs / ours:.1f} times as long as observe")


def as_exchange(answer: bytes) -> Exchange:
    """The answer as the forwarder hands it over: with an arrival for each packet of 233 bytes."""
    ends = range(233, len(answer) + 233, 233)
    arrivals = tuple((min(end, len(answer)), number / 100) for number, end in enumerate(ends))
    return exchange(answer, response_headers=SSE, arrivals=arrivals)


def json_stream(answer: bytes) -> None:
    """The least that anyone has to do: find the events and parse them."""
    for event in SSEParser().feed(answer):
        if event.data != b"[DONE]":
            json.loads(event.data)


def client_stream(answer: bytes) -> None:
    """What a caller of the client waits for beside the network."""
    for _ in Stream(cast_to=ChatCompletionChunk, response=as_response(answer), client=CLIENT):
        pass


def client_body(answer: bytes) -> object:
    """The client's object for a whole body."""
    return ChatCompletion.construct(**json.loads(answer))


def as_response(answer: bytes) -> httpx2.Response:
    """The answer as the client's transport gives it."""
    request = httpx2.Request("POST", "http://localhost/chat/completions")
    return httpx2.Response(200, headers=dict(SSE), content=answer, request=request)


def best(run: Callable[[], object]) -> float:
    """The shortest of several runs: what is left when nothing else disturbs. Microseconds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times) * 1e6


def say(line: str) -> None:
    """A line of the report."""
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
