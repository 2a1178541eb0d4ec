"""What only time shows, once and for real: `python -m tests.benchmarks.soak` takes seven minutes.

With the default time-outs, streams that last longer than five minutes (promise 35), and beside them one request after
another while the recorder runs, is stopped with SIGSTOP for a minute, and runs again (promise 32). Prints what clients
felt of each part; ends with 1 if one of them noticed anything or a row is missing at the end.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.benchmarks.bench_forward import environment, port, role, stopped
from tests.benchmarks.forward_roles import ANSWER
from tests.end_to_end.raw import Wire, eventually, post, wired

QUESTION = post(b'{"model":"openai/gpt-4o-mini","messages":[{"role":"user","content":"Hi"}]}')
PAUSE_S = 0.02  # nearly fifty requests a second: enough for a 99th percentile of each part


def asked(wire: Wire, seconds: float, part: str) -> tuple[int, int]:
    """One question after another; how many, and how many of them were not answered as the upstream does."""
    client, deadline = wire.client(), time.monotonic() + seconds
    took_us: list[float] = []
    bad = 0
    while time.monotonic() < deadline:
        began = time.perf_counter()
        try:
            bad += client.send(QUESTION).message() != ANSWER
        except (OSError, EOFError):
            bad, client = bad + 1, wire.client()
        took_us.append((time.perf_counter() - began) * 1e6)
        time.sleep(PAUSE_S)
    quantiles = statistics.quantiles(took_us, n=100)
    felt = f"{len(took_us)} requests, {bad} bad, p50 {quantiles[49]:.0f} us, p99 {quantiles[98]:.0f} us"
    up, held_mb = wire.metric("shadow_recorder_up"), wire.metric("shadow_handoff_bytes") / 1e6
    then = f"recorder up {up:g}, {held_mb:.1f} MB held, forwarder {wire.memory_mb():.1f} MB"
    print(f"{part}: {felt}; then {then}", flush=True)  # noqa: T201
    return len(took_us), bad


def soak(stream_s: float, stop_s: float, streams: int) -> int:
    """The exit code."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        origin = port()
        upstream = subprocess.Popen(role("origin", origin), env=environment())  # noqa: S603 (our own module)
        stack.callback(upstream.wait)
        stack.callback(upstream.terminate)
        url = {"upstream": {"url": f"http://127.0.0.1:{origin}"}}
        wire = stack.enter_context(wired(directory, environment(), **url))
        command = role("streams", wire.port, streams, 5, stream_s)
        listening = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE)  # noqa: S603 (our own module)
        part_s = (stream_s - stop_s) / 2
        parts = [asked(wire, part_s, "recorder runs")]
        with stopped(wire.recorder_pid()):
            parts.append(asked(wire, stop_s, "recorder stopped"))
        parts.append(asked(wire, part_s, "runs again"))
        streamed = json.loads(listening.communicate()[0])
        print(f"{streams} streams of {stream_s:g} s: {streamed}")  # noqa: T201
        requests, bad = (sum(column) for column in zip(*parts, strict=True))
        wanted = requests + streams
        eventually(lambda: wire.count("exchanges") >= wanted)
        rows, dropped = wire.count("exchanges"), wire.metric("shadow_handoff_exchanges_total", result="dropped")
        print(f"{rows} rows of {wanted} exchanges, {dropped:g} dropped, exit code {wire.stop()}")  # noqa: T201
    return int(bool(bad or streamed["failed"] or streamed["missing"] or rows != wanted))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stream", type=float, default=390, metavar="SECONDS")
    parser.add_argument("--stop", type=float, default=60, metavar="SECONDS")
    parser.add_argument("--streams", type=int, default=20, metavar="COUNT")
    options = parser.parse_args()
    sys.exit(soak(options.stream, options.stop, options.streams))


if __name__ == "__main__":
    main()
