"""A day in the life of a SaaS product, as calls of its model router: three tenants, four features, seeded.

Most calls are good: streams and plain ones, tools, JSON, reasoning, conversations of several turns. A few are what
any traffic holds: answers that fail, calls that no candidate may see or could serve, clients that leave.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from shadow.demo.openrouter_wire import Json
from shadow.demo.scenarios.scenario import CHAT_PATH
from shadow.demo.scenarios.streams import TOOL

VERBS: Final = ("Summarise", "Explain", "Draft a reply to", "Classify", "List the risks in", "Translate")
SUBJECTS: Final = ("ticket", "invoice", "contract", "thread", "release note", "lead", "incident", "survey answer")
FILLER: Final = "The customer writes that the export has failed twice since Monday and asks when it will be repaired. "


@dataclass(frozen=True, slots=True)
class Tenant:
    """A customer. `tagged` ones name themselves in a header; the others are known by their API key."""

    name: str
    plan: str
    key: str
    tagged: bool


@dataclass(frozen=True, slots=True)
class Feature:
    """A product surface: the models it asks for, how often it streams, how long its prompts are (in sentences)."""

    name: str
    models: tuple[str, ...]
    streams: float
    sentences: tuple[int, int]
    extra: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """One request of the application. `leaves_after` is after how many network chunks the client hangs up."""

    tenant: Tenant | None  # None: neither header nor a key that anyone registered
    feature: Feature
    body: Json
    path: str = CHAT_PATH
    leaves_after: int | None = None

    @property
    def headers(self) -> dict[str, str]:
        """What the application sends with it."""
        key = self.tenant.key if self.tenant else "sk-or-v1-unregistered"
        sent = {"Authorization": f"Bearer {key}", "X-Feature": self.feature.name}
        return sent | ({"X-Tenant-Id": self.tenant.name} if self.tenant and self.tenant.tagged else {})


TENANTS: Final = (
    Tenant("acme", "enterprise", "sk-or-v1-demo-acme", tagged=True),
    Tenant("globex", "team", "sk-or-v1-demo-globex", tagged=False),
    Tenant("initech", "free", "sk-or-v1-demo-initech", tagged=False),
)
SHARES: Final = (5, 3, 2)

FEATURES: Final = (
    Feature("chat", ("openai/gpt-4o-mini", "anthropic/claude-sonnet-4.5"), 0.9, (1, 6)),
    Feature("summaries", ("google/gemini-2.5-flash", "openai/gpt-4o-mini"), 0.2, (12, 40)),
    Feature("agents", ("anthropic/claude-sonnet-4.5", "openai/gpt-5-mini"), 0.5, (4, 12), {"tools": [TOOL]}),
    Feature("enrichment", ("meta-llama/llama-3.3-70b-instruct",), 0.0, (2, 5),
            {"response_format": {"type": "json_object"}}),
)  # fmt: skip
OFTEN: Final = (4, 3, 2, 2)

# One in so many calls is something special, in turn.
SPECIAL_ONE_IN: Final = 12
SPECIALS: Final = (
    {"model": "fake/rate-limited"},
    {"model": "fake/stream-error", "stream": True},
    {"model": "fake/web-search", "tools": [{"type": "openrouter:web_search"}]},
    {"provider": {"zdr": True}},
    {"model": "fake/overload-503"},
    {"model": "fake/cache-hit"},
    {"n": 2, "model": "fake/two-choices"},
    {"model": "fake/stream-usage-b", "stream": True},
)
LEAVES_ONE_IN: Final = 40
NOBODY_ONE_IN: Final = 30
TURNS_ONE_IN: Final = 6


def calls(count: int, seed: int = 0) -> tuple[Call, ...]:
    """So many calls, always the same ones for a seed."""
    random = Random(seed)  # noqa: S311 (repeatable, not secret)
    return tuple(_call(random, number) for number in range(1, count + 1))


def _call(random: Random, number: int) -> Call:
    tenant = None if number % NOBODY_ONE_IN == 0 else random.choices(TENANTS, SHARES)[0]
    feature = random.choices(FEATURES, OFTEN)[0]
    body: Json = {
        "model": random.choice(feature.models),
        "messages": list(_messages(random, feature, number)),
        "temperature": random.choice((0, 0.2, 0.7)),
        **feature.extra,
    }
    if random.random() < feature.streams:
        body["stream"] = True
    if number % SPECIAL_ONE_IN == 0:
        body |= SPECIALS[number // SPECIAL_ONE_IN % len(SPECIALS)]
    leaves = 4 if number % LEAVES_ONE_IN == 7 else None
    return Call(tenant, feature, body | ({"stream": True} if leaves else {}), leaves_after=leaves)


def _messages(random: Random, feature: Feature, number: int) -> Iterator[dict[str, Any]]:
    """A system prompt and a question; sometimes the fourth message of a conversation."""
    subject = f"{random.choice(SUBJECTS)} {number}"
    yield {"role": "system", "content": f"You help with {feature.name}. Be brief."}
    yield {"role": "user", "content": f"{random.choice(VERBS)} {subject}. " + _filler(random, feature)}
    if feature.name == "chat" and number % TURNS_ONE_IN == 0:
        yield {"role": "assistant", "content": f"Here is what I found about {subject}."}
        yield {"role": "user", "content": "Shorter, please."}


def _filler(random: Random, feature: Feature) -> str:
    return FILLER * random.randint(*feature.sentences)
