"""What the recorder's tests share: an inbox over fakes, and its application."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from shadow.config import Config
from shadow.configfile import parse
from shadow.exchange import Exchange, Observation, Replay, ReplayOutcome, Rewrite
from shadow.mirror.arm import ArmState
from shadow.mirror.planned import Planned
from shadow.mirror.reasons import Dropped
from shadow.record.attribution import BodyAttribution
from shadow.record.inbox import Inbox
from shadow.record.ledger import StoreLedger
from shadow.record.metrics import Metrics
from shadow.wire.observe import read_all
from shadow.wire.prices import PriceBook
from shadow.wire.request import InferenceRequest
from tests.record.samples import KEEPS_NOTHING, FakeStore


@dataclass
class FakeMirror:
    """Plans every exchange for `arms`; has no room where `full` is set."""

    arms: tuple[str, ...] = ("ferry",)
    full: bool = False
    paused: bool = False
    unsettled: int = 0
    submitted: list[Planned] = field(default_factory=list)

    def decide(
        self, exchange: Exchange, observation: Observation, request: InferenceRequest | None
    ) -> tuple[tuple[Replay, ...], tuple[Planned, ...]]:
        del request
        out = Replay(exchange.exchange_id, "canal", ReplayOutcome.SAMPLED_OUT, "not_drawn", 0.05)
        return (out,), tuple(
            Planned(exchange, observation, arm, 0.5, b"{}", Rewrite(), conversation=7) for arm in self.arms
        )

    def submit(self, planned: Planned) -> Replay | None:
        self.submitted.append(planned)
        return planned.ended(ReplayOutcome.DROPPED, Dropped.QUEUE_COUNT) if self.full else None

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def states(self) -> Iterable[ArmState]:
        return ()


@pytest.fixture
def config(tmp_path: Path) -> Config:
    settings: dict[str, Any] = {"upstream": {"url": "https://openrouter.ai"}, "store": {"retention_days": None}}
    return parse(yaml.safe_dump(settings), tmp_path)


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def mirror() -> FakeMirror:
    return FakeMirror()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def inbox(config: Config, store: FakeStore, mirror: FakeMirror, metrics: Metrics) -> Inbox:
    return Inbox(
        attribution=BodyAttribution(config.attribution, config.registry),
        keeper=KEEPS_NOTHING,
        read_all=partial(read_all, book=PriceBook.for_primary(config)),
        mirror=mirror,
        store=store,
        ledger=StoreLedger(store, KEEPS_NOTHING, metrics, retry_s=0.001),
        metrics=metrics,
        clock=lambda: 1_780_000_001.0,
    )
