"""Traffic whose truth is plain to see, and the page of it."""

import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from shadow.exchange import Exchange, Recorded, Replay, ReplayOutcome
from shadow.page.page import render
from shadow.report.comparison import Report, compare
from shadow.report.totals import Scope, Totals
from shadow.store.aggregates import read
from tests.report.population import BEGUN, exchange, observation, replay, store, usd

SCOPE: Final = Scope(breakdowns=(("tenant",), ("feature",), ("model",)))
SLOW: Final = "globex"  # the tenant whose first tokens come later from ferry
HOSTILE: Final = "<script>document.title='owned'</script>"


def clear(count: int = 6000, seed: int = 3) -> Iterator[Recorded]:
    """Of two candidates ferry costs about half and is slow for one tenant; canal is dearer, slower, and fails."""
    chance = random.Random(seed)  # noqa: S311 (made-up traffic)
    for number in range(count):
        tenant = chance.choices(("acme", SLOW, "initech", HOSTILE), (50, 25, 20, 5))[0]
        nano, ttft_s = int(chance.lognormvariate(14, 0.6)), chance.lognormvariate(-0.7, 0.4)
        one = exchange(
            BEGUN + number * 240, tenant=tenant, feature=chance.choice(("chat", "agents")), total_s=ttft_s + 1
        )
        ferry = replay(
            one,
            probability=1.0,
            seen=observation(usd(int(nano * 0.55)), ttft_s * (2 if tenant == SLOW else 0.95)),
            total_s=one.total_s,
        )
        yield Recorded(one, observation(usd(nano), ttft_s), (ferry, _canal(chance, one, nano, ttft_s)))


def _canal(chance: random.Random, one: Exchange, nano: int, ttft_s: float) -> Replay:
    if chance.random() < 0.1:
        return replay(one, ReplayOutcome.FAILED, "server_error", arm="canal", probability=1.0)
    seen = observation(usd(int(nano * 1.3)), ttft_s * 1.6)
    return replay(one, arm="canal", probability=1.0, seen=seen, total_s=4.0)


def one_pair() -> Iterator[Recorded]:
    """All there is on the first day."""
    one = exchange()
    yield Recorded(one, observation(), (replay(one),))


def compared(path: Path, recorded: Iterable[Recorded], scope: Scope = SCOPE) -> tuple[Report, Totals]:
    """Of exchanges in a database of their own."""
    totals = read(store(path, recorded), scope)
    return compare(totals, scope), totals


def page(path: Path, recorded: Iterable[Recorded]) -> str:
    return render(*compared(path, recorded))
