"""A replay that was decided on and has not been sent."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from shadow.exchange import Exchange, Observation, Replay, ReplayOutcome, Rewrite

RECORD_BYTES: Final = 4096  # what the records around the texts weigh, roughly: an empty queue entry is not free


@dataclass(frozen=True, slots=True)
class Planned:
    """One exchange × arm that was drawn and admitted.

    `exchange` is the primary's without its bodies and arrivals, which the replay has no more use for; `observation`
    is the primary's. `body` is the rewritten request as it will be sent.
    """

    exchange: Exchange
    observation: Observation
    arm: str
    probability: float
    body: bytes
    rewrite: Rewrite
    stream: bool = False
    conversation: int | None = None  # its `shadow.mirror.sampling.number_of`
    worst_usd: Decimal | None = None  # the most it can cost; None where its arm has no budget

    @property
    def exchange_id(self) -> str:
        return self.exchange.exchange_id

    @property
    def size(self) -> int:
        """Bytes it holds in memory, near enough to bound a queue."""
        answer = self.observation.answer
        calls = sum(len(call.arguments) for call in answer.tool_calls)
        return RECORD_BYTES + len(self.body) + len(answer.text) + len(answer.reasoning) + calls

    def ended(self, outcome: ReplayOutcome, reason: StrEnum) -> Replay:
        """The replay that ended without anything observed."""
        return Replay(
            self.exchange_id,
            self.arm,
            outcome,
            reason.value,
            self.probability,
            self.rewrite,
            conversation=self.conversation,
        )
