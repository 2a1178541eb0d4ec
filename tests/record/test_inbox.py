import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from shadow.config import Capture, Registry, Tenant
from shadow.exchange import Outcome, Pending, ReplayOutcome
from shadow.frames import FrameError
from shadow.record.bodies import Keeper
from shadow.record.delayed_cost import Owed
from shadow.record.inbox import Inbox
from shadow.record.metrics import Metrics
from shadow.store.errors import StoreError, Trouble
from shadow.wire.observe import TOGETHER
from tests.packing import packed
from tests.record.conftest import FakeMirror
from tests.record.samples import ANSWER, JSON, FakeStore, exchange, exchange_id, sample, whole


def batch(*numbers: int) -> bytes:
    return b"".join(packed(exchange(number)) for number in numbers)


async def test_an_exchange_is_read_decided_and_stored(inbox: Inbox, store: FakeStore) -> None:
    """What is committed holds the facts of the bytes, the replays that ended at once and those to come."""
    await inbox.take(batch(0))
    recorded = store.added[exchange_id(0)]
    assert recorded.observation.cost.usd == Decimal("0.0001")
    assert [(replay.arm, replay.outcome) for replay in recorded.ended] == [("canal", ReplayOutcome.SAMPLED_OUT)]
    assert recorded.pending == (Pending("ferry", 0.5, 7),)


async def test_a_replay_is_submitted_after_the_commit(inbox: Inbox, store: FakeStore, mirror: FakeMirror) -> None:
    """Nothing is sent of what is not stored."""
    store.troubles = iter([Trouble.DISK_FULL])
    with pytest.raises(StoreError):
        await inbox.take(batch(0))
    assert mirror.submitted == []
    await inbox.take(batch(0))
    assert [planned.exchange_id for planned in mirror.submitted] == [exchange_id(0)]


async def test_an_exchange_sent_again_is_not_replayed_again(inbox: Inbox, mirror: FakeMirror, metrics: Metrics) -> None:
    """A batch whose acknowledgement was lost comes twice and counts once."""
    await inbox.take(batch(0, 1))
    await inbox.take(batch(1, 2))
    assert [planned.exchange_id for planned in mirror.submitted] == [exchange_id(number) for number in (0, 1, 2)]
    replays = sample(
        metrics.expose().decode(), "shadow_replays_total", arm="canal", outcome="sampled_out", reason="not_drawn"
    )
    assert replays == 3


async def test_an_exchange_twice_in_a_batch_is_replayed_once(inbox: Inbox, mirror: FakeMirror) -> None:
    """A batch that repeats itself does not pay twice."""
    await inbox.take(batch(0, 0))
    assert len(mirror.submitted) == 1


async def test_a_replay_without_room_is_settled(inbox: Inbox, store: FakeStore, mirror: FakeMirror) -> None:
    """A replay that the mirror drops at once ends in the store as dropped."""
    mirror.full = True
    await inbox.take(batch(0))
    async with asyncio.timeout(10):
        while not store.settled:  # noqa: ASYNC110 (a task of the inbox's own)
            await asyncio.sleep(0)
    assert [(replay.outcome, replay.reason) for replay in store.settled] == [(ReplayOutcome.DROPPED, "queue_count")]


async def test_a_batch_is_stored_whole_or_not_at_all(inbox: Inbox, store: FakeStore) -> None:
    """A batch that ends in the middle of a frame leaves nothing."""
    with pytest.raises(FrameError):
        await inbox.take(batch(0, 1)[:-1])
    assert store.added == {}


async def test_the_frames_before_a_bad_one_are_not_stored_either(inbox: Inbox, store: FakeStore) -> None:
    """Also where it is found only when those before it have been read."""
    with pytest.raises(FrameError):
        await inbox.take(batch(*range(TOGETHER + 1))[:-1])
    assert store.added == {}


async def test_a_large_batch_is_stored_in_its_order(inbox: Inbox, store: FakeStore) -> None:
    """However many are read at once, none is left out and none changes places."""
    await inbox.take(batch(*range(2 * TOGETHER + 1)))
    assert [*store.added] == [exchange_id(number) for number in range(2 * TOGETHER + 1)]


async def test_the_callers_attribution_is_completed(inbox: Inbox, store: FakeStore) -> None:
    """What is stored is what all rules together found."""
    inbox = replace(inbox, attribution=Upper())  # type: ignore[arg-type]
    await inbox.take(batch(0))
    assert store.added[exchange_id(0)].exchange.path == "/API/V1/CHAT/COMPLETIONS"


KEY = "sk-or-v1-secret"
NAMED = (("content-type", "text/event-stream"), ("x-generation-id", "gen-1"))


class Asked:
    """A queue of delayed costs that only remembers."""

    def __init__(self) -> None:
        self.owed: list[Owed] = []

    def expect(self, one: Owed) -> None:
        self.owed.append(one)


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
def asking(inbox: Inbox, asked: Asked) -> Inbox:
    """An inbox where delayed costs are configured."""
    return replace(inbox, delayed=asked)  # type: ignore[arg-type]


def cut(**changes: Any) -> bytes:
    """A stream that its client left, with the client's key."""
    plain = {"outcome": Outcome.CLIENT_CANCELLED, "response_headers": NAMED, "response_body": whole(b"data: {}\n\n")}
    return packed(exchange(0, **{"credential": KEY, **plain, **changes}))


async def test_a_cost_that_is_owed_is_asked_for_once(asking: Inbox, asked: Asked) -> None:
    """A cut stream of unknown cost goes to the queue with its key when it is stored, and not when it is resent."""
    await asking.take(cut())
    await asking.take(cut())
    assert [(one.exchange_id, one.generation_id, one.credential) for one in asked.owed] == [
        (exchange_id(0), "gen-1", KEY)
    ]


async def test_a_cost_is_asked_for_after_the_commit(asking: Inbox, asked: Asked, store: FakeStore) -> None:
    """Where the exchange could not be stored there is no row to complete."""
    store.troubles = iter([Trouble.DISK_FULL])
    with pytest.raises(StoreError):
        await asking.take(cut())
    assert asked.owed == []


async def test_a_known_cost_is_not_asked_for(asking: Inbox, asked: Asked) -> None:
    """A stream that broke after its usage came needs no question, and its key is let go."""
    await asking.take(cut(response_headers=JSON, response_body=whole(ANSWER)))
    assert asked.owed == []


async def test_a_key_goes_nowhere_else(asking: Inbox, store: FakeStore, mirror: FakeMirror) -> None:
    """Neither what is stored nor what is replayed holds the key that came with an exchange."""
    await asking.take(cut())
    recorded = store.added[exchange_id(0)]
    assert (recorded.exchange.credential, mirror.submitted[0].exchange.credential) == (None, None)


async def test_a_key_stays_with_its_exchange(asking: Inbox, asked: Asked, store: FakeStore) -> None:
    """Among others that are read with it, without a key or with another, which are owed nothing or something else."""
    other = cut(exchange_id=exchange_id(3), credential="sk-or-v1-other")
    await asking.take(batch(1) + cut() + batch(2) + other)
    owed = [(one.exchange_id, one.credential) for one in asked.owed]
    assert owed == [(exchange_id(0), KEY), (exchange_id(3), "sk-or-v1-other")]
    assert {recorded.exchange.credential for recorded in store.added.values()} == {None}


async def test_without_a_queue_a_key_is_let_go(inbox: Inbox, store: FakeStore) -> None:
    """A recorder that is not configured to ask stores the exchange and forgets the key."""
    await inbox.take(cut())
    assert store.added[exchange_id(0)].exchange.credential is None


class Upper:
    """An attribution that can be told from none."""

    def complete(self, seen: object, request: object) -> object:
        del request
        return replace(seen, path=seen.path.upper())  # type: ignore[type-var, attr-defined]


async def test_bodies_are_committed_with_their_exchange(inbox: Inbox, store: FakeStore, metrics: Metrics) -> None:
    """For a tenant that consents, and counted; also where they could not be read."""
    consenting = Keeper(Capture(bodies="consented"), Registry(tenants={"acme": Tenant(bodies=True)}))
    unreadable = exchange(1, request_body=whole(b"no JSON"))
    await replace(inbox, keeper=consenting).take(batch(0) + packed(unreadable))
    kept = [recorded.bodies for recorded in store.added.values()]
    assert [bodies is not None and bodies.whole for bodies in kept] == [True, False]
    text = metrics.expose().decode()
    counted = [sample(text, "shadow_bodies_total", arm="primary", result=one) for one in ("whole", "unreadable")]
    assert counted == [1, 1]
