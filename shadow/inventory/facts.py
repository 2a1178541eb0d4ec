"""What a store counts for the inventory: model calls and replays, grouped by what a migration asks about. Pure.

Names are '' where they are not known, times Unix seconds, money whole nano-US-dollars. Groups add up.
"""

from dataclasses import dataclass, field
from typing import NamedTuple, Self


@dataclass(slots=True)
class Calls:
    """Model calls of one group."""

    calls: int = 0
    answered: int = 0  # whole, and no error
    cancelled: int = 0  # the client left before the end
    streamed: int = 0
    byok: int = 0  # paid with the caller's own provider key
    cost_known: int = 0
    cost_nano: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_write_input_tokens: int = 0
    reasoning_output_tokens: int = 0
    first_at: float = 0.0
    last_at: float = 0.0

    @classmethod
    def of(cls, counts: tuple[int, ...], first_at: float, last_at: float) -> Self:
        """From a row's counts, in the order of the fields."""
        calls = cls(*counts)
        calls.first_at, calls.last_at = first_at, last_at
        return calls

    def add(self, other: "Calls") -> None:
        """Take another group in."""
        self.first_at = min(self.first_at or other.first_at, other.first_at)
        self.last_at = max(self.last_at, other.last_at)
        for name in self.__slots__[:-2]:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def cost_unknown(self) -> int:
        """Answered calls of which nobody knows what they cost; those that failed owe nothing."""
        return max(0, self.answered - self.cost_known)


class ModelUse(NamedTuple):
    """Calls by the model that was asked for, the one that answered, who served it, and where the cost comes from."""

    requested: str
    served: str
    provider: str
    cost_source: str
    calls: Calls


class PromptUse(NamedTuple):
    """How many calls had a prompt of so many tokens, to two digits, and a client that waits so long."""

    requested: str
    input_tokens: int | None
    client_timeout_s: float | None
    calls: int
    most_tokens: int  # prompt and answer together


class TenantUse(NamedTuple):
    """Calls of a tenant that make use of the same of the API."""

    tenant: str
    plan: str
    uses: frozenset[str]
    calls: Calls


class FeatureUse(NamedTuple):
    """Calls for one feature of the product, at one endpoint, that make use of the same of the API."""

    feature: str
    path: str
    uses: frozenset[str]
    calls: Calls


class KeyUse(NamedTuple):
    """Calls of a tenant with one key."""

    fingerprint: str
    tenant: str
    provider_keys: bool  # sent along with the request
    calls: Calls


class ReplayUse(NamedTuple):
    """Replays that ended alike, of exchanges that make use of the same of the API."""

    arm: str
    uses: frozenset[str]
    outcome: str
    reason: str
    dropped: tuple[str, ...]  # fields left out, so that the candidate would take the request
    rejected_parameter: str
    replays: int


@dataclass(slots=True)
class Facts:
    """All that is counted over one scope."""

    first_at: float | None = None
    last_at: float | None = None
    models: list[ModelUse] = field(default_factory=list)
    prompts: list[PromptUse] = field(default_factory=list)
    tenants: list[TenantUse] = field(default_factory=list)
    features: list[FeatureUse] = field(default_factory=list)
    keys: list[KeyUse] = field(default_factory=list)
    replays: list[ReplayUse] = field(default_factory=list)
