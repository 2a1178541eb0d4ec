"""Which models are asked for and which answer, with which prompts, and how patiently they are waited for. Pure."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from shadow.inventory import rules
from shadow.inventory.document import Column, Section, Value, section, share, usd
from shadow.inventory.facts import Calls, Facts, PromptUse

WORD: Final = re.compile(r"[a-z]+|[0-9]+")
SERVED_MOST: Final = 3  # names of models and providers that are written out
COLUMNS: Final = (
    Column("requested", "asked for", "label"),
    Column("served", "answered by", "words"),
    Column("providers", "providers", "words"),
    Column("calls", "calls", "count"),
    Column("error_share", "errors", "share"),
    Column("streamed_share", "streamed", "share"),
    Column("input_tokens_p50", "prompt p50", "count"),
    Column("input_tokens_p90", "prompt p90", "count"),
    Column("most_tokens", "most", "count"),
    Column("client_timeout_s", "client waits", "seconds"),
    Column("cost_usd", "cost, USD", "usd"),
    Column("means", "for the move"),
)
MEANING: Final = (
    "Every model asked for needs a counterpart of the same context, or a decision. Prompts are in tokens; “most” is "
    "the largest prompt together with its answer: what a candidate's context has to hold. “Client waits” is the "
    "shortest time after which a client said that it gives up on a silent answer."
)


@dataclass(slots=True)
class _Model:
    """What is gathered of one requested model."""

    calls: Calls = field(default_factory=Calls)
    served: Counter[str] = field(default_factory=Counter)
    providers: Counter[str] = field(default_factory=Counter)


def models(facts: Facts) -> Section:
    """The models by how often they are asked for."""
    found: dict[str, _Model] = defaultdict(_Model)
    for use in facts.models:
        one = found[use.requested]
        one.calls.add(use.calls)
        one.served[use.served] += use.calls.calls
        one.providers[use.provider] += use.calls.calls
    prompts: dict[str, list[PromptUse]] = defaultdict(list)
    for prompt in facts.prompts:
        prompts[prompt.requested].append(prompt)
    ranked = sorted(found.items(), key=lambda item: (-item[1].calls.calls, item[0]))
    return section("models", "Models", MEANING, COLUMNS, (_row(name, one, prompts[name]) for name, one in ranked))


def _row(requested: str, one: _Model, prompts: list[PromptUse]) -> tuple[Value, ...]:
    calls = one.calls
    most = max((prompt.most_tokens for prompt in prompts), default=0)
    waits = min((prompt.client_timeout_s for prompt in prompts if prompt.client_timeout_s is not None), default=None)
    served = {name for name in one.served if name}
    sizes = Counter[int]()
    for prompt in prompts:
        if prompt.input_tokens is not None:
            sizes[prompt.input_tokens] += prompt.calls
    failed = calls.calls - calls.answered - calls.cancelled
    streamed = share(calls.streamed, calls.calls) or 0.0
    return (
        requested or None,
        tuple(_most(one.served)),
        tuple(_most(one.providers)),
        calls.calls,
        share(failed, calls.calls - calls.cancelled),
        streamed,
        quantile(sizes, 0.5),
        quantile(sizes, 0.9),
        most or None,
        waits,
        usd(calls.cost_nano, calls.cost_known),
        rules.of_model(requested, 0 if _alike(requested, served) else len(served), streamed, most, waits),
    )


def quantile(counts: Mapping[int, int], part: float) -> int | None:
    """The value below which a part of all lies; None of nothing."""
    left = part * sum(counts.values())
    for value in sorted(counts):
        left -= counts[value]
        if left <= 0:
            return value
    return None


def _most(names: Counter[str]) -> Iterator[str]:
    """The names that occur most, and how many more there are."""
    known = [(name, count) for name, count in names.most_common() if name]
    yield from (name for name, _ in known[:SERVED_MOST])
    if len(known) > SERVED_MOST:
        yield f"and {len(known) - SERVED_MOST} more"


def _alike(requested: str, served: Iterable[str]) -> bool:
    """Whether all that answered is what was asked for, at most with its date or version behind it."""
    wanted = _parts(requested)
    return all(wanted <= _parts(name) for name in served)


def _parts(model: str) -> set[str]:
    """The words and numbers of a name, without a variant: releases differ in their order and in the date they add."""
    return set(WORD.findall(model.partition(":")[0].lower()))
