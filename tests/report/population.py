"""Made-up traffic as rows of a real database: for tests, benchmarks and looking at reports.

`python -m tests.report.population PATH [EXCHANGES]` makes such a database, for `shadow report --db PATH`.
"""

import random
import sys
import uuid
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from itertools import islice
from pathlib import Path

from shadow.exchange import (
    PRIMARY,
    Attribution,
    Body,
    Cost,
    CostSource,
    Exchange,
    Observation,
    Outcome,
    Recorded,
    Replay,
    ReplayOutcome,
    Timings,
)
from shadow.store.adding import add
from shadow.store.files import open_database
from shadow.store.rows import rows

BEGUN = 1_790_000_000.0  # 2026-09-21 13:33:20 UTC
BATCH = 1000


def usd(nano: int | None) -> Cost:
    """A cost of so many nano-dollars, cached or not."""
    if nano is None:
        return Cost()
    amount = Decimal(nano).scaleb(-9)
    return Cost(amount, CostSource.REPORTED, amount, "made up")


MILLION = usd(1_000_000)


def exchange(
    at: float = BEGUN,
    *,
    arm: str = PRIMARY,
    tenant: str | None = "acme",
    feature: str | None = "chat",
    plan: str | None = "pro",
    outcome: Outcome = Outcome.COMPLETE,
    total_s: float = 2.0,
    exchange_id: str | None = None,
) -> Exchange:
    """An exchange begun at `at`, with an id that says so."""
    drawn = uuid.uuid4().int & ((1 << 62) - 1)
    identity = uuid.UUID(int=int(at * 1000) << 80 | 7 << 76 | 2 << 62 | drawn)
    return Exchange(
        exchange_id or str(identity),
        arm,
        at,
        "POST",
        "/api/v1/chat/completions",
        Attribution(tenant, feature, plan, None),
        (),
        Body(),
        outcome,
        200,
        (),
        Body(),
        0.1,
        total_s,
    )


def observation(
    cost: Cost = MILLION, ttft_s: float | None = 0.5, model: str | None = "m", error_kind: str | None = None
) -> Observation:
    """What was seen of a model call."""
    return Observation(
        inference=True,
        stream=True,
        request_model=model,
        cost=cost,
        timings=Timings(ttft_s=ttft_s),
        error_kind=error_kind,
    )


def replay(
    of: Exchange,
    outcome: ReplayOutcome = ReplayOutcome.COMPLETED,
    reason: str | None = None,
    *,
    arm: str = "ferry",
    probability: float | None = 0.5,
    seen: Observation | None = None,
    total_s: float = 3.0,
) -> Replay:
    """What became of an exchange on another arm; completed unless said otherwise."""
    if outcome is not ReplayOutcome.COMPLETED:
        return Replay(of.exchange_id, arm, outcome, reason, probability)
    own = replace(of, arm=arm, total_s=total_s)
    return Replay(of.exchange_id, arm, outcome, None, probability, None, own, seen or observation())


def store(path: Path, recorded: Iterable[Recorded]) -> Path:
    """Write exchanges into a database of the present schema."""
    with closing(open_database(path)) as database:
        database.execute("PRAGMA synchronous = OFF")
        remaining = iter(recorded)
        while batch := list(islice(remaining, BATCH)):
            new = rows(batch)
            database.execute("BEGIN")
            add(database, new.exchanges, new.replays, new.unsent)
            database.execute("COMMIT")
    return path


def mixed(count: int, seed: int = 1, apart_s: float = 60.0) -> Iterator[Recorded]:
    """A mixed workload on two candidates: ferry is cheaper and slower, canal fails now and then and hides its costs."""
    chance = random.Random(seed)  # noqa: S311 (made-up traffic)
    for number in range(count):
        yield _mixed(chance, BEGUN + number * apart_s)


def _mixed(chance: random.Random, at: float) -> Recorded:
    tenant = chance.choices(("acme", "globex", "initech", None), (60, 25, 12, 3))[0]
    feature = chance.choice(("chat", "summaries", "agents"))
    model = chance.choice(("openai/gpt-4o-mini", "anthropic/claude-sonnet-4.5"))
    ended = chance.choices(tuple(Outcome), (95, 3, 1, 1))[0]
    one = exchange(at, tenant=tenant, feature=feature, outcome=ended, total_s=chance.lognormvariate(0.7, 0.5))
    nano = int(chance.lognormvariate(14, 0.8)) if ended is Outcome.COMPLETE else None
    seen = observation(usd(nano), chance.lognormvariate(-0.7, 0.4) if nano else None, model)
    return Recorded(one, seen, tuple(_replayed(chance, one, seen, arm) for arm in ("ferry", "canal")))


def _replayed(chance: random.Random, one: Exchange, seen: Observation, arm: str) -> Replay:
    probability = 0.5 if one.attribution.feature == "summaries" else 0.1
    if one.outcome is not Outcome.COMPLETE:
        return replay(one, ReplayOutcome.INELIGIBLE, "primary_unfinished", arm=arm, probability=None)
    if chance.random() < 0.1:
        return replay(
            one, ReplayOutcome.INELIGIBLE, chance.choice(("server_tools", "privacy")), arm=arm, probability=None
        )
    if chance.random() > probability:
        return replay(one, ReplayOutcome.SAMPLED_OUT, "not_drawn", arm=arm, probability=probability)
    if one.attribution.tenant == "initech":
        return replay(one, ReplayOutcome.WITHHELD, "consent", arm=arm, probability=probability)
    if chance.random() < (0.01 if arm == "ferry" else 0.08):
        reason = chance.choice(("server_error", "deadline", "interrupted"))
        return replay(one, ReplayOutcome.FAILED, reason, arm=arm, probability=probability)
    hidden = arm == "canal" and chance.random() < 0.3
    factor = 0.6 if arm == "ferry" else 0.95
    cost = usd(None if hidden or seen.cost.usd is None else int(seen.cost.usd.scaleb(9) * Decimal(factor)))
    ttft_s = (seen.timings.ttft_s or 0.5) * chance.lognormvariate(0.3 if arm == "ferry" else 0.0, 0.2)
    total_s = one.total_s * chance.lognormvariate(0.3 if arm == "ferry" else 0.0, 0.2)
    answered = observation(cost, ttft_s, seen.request_model)
    return replay(one, arm=arm, probability=probability, seen=answered, total_s=total_s)


if __name__ == "__main__":
    store(Path(sys.argv[1]), mixed(int(sys.argv[2]) if len(sys.argv) > 2 else 10_000))
