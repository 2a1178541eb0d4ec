"""How tokens are counted, where costs come from, and what only OpenRouter does. Pure."""

from collections import defaultdict
from typing import Final

from shadow.inventory import rules
from shadow.inventory.document import Column, Section, section, share, usd
from shadow.inventory.facts import Calls, Facts

TOKENS: Final = (
    Column("kind", "tokens", "label"),
    Column("count", "count", "count"),
    Column("share", "share", "share"),
    Column("means", "for the move"),
)
COSTS: Final = (
    Column("source", "where the cost comes from", "label"),
    Column("calls", "calls", "count"),
    Column("byok_calls", "own provider key", "count"),
    Column("cost_usd", "cost, USD", "usd"),
    Column("means", "for the move"),
)
DEPENDENCIES: Final = (
    Column("dependency", "only OpenRouter does", "label"),
    Column("tenants", "tenants", "count"),
    Column("calls", "calls", "count"),
    Column("cost_usd", "cost, USD", "usd"),
    Column("means", "what has to take its place"),
)
OF_SOURCES: Final = {
    "reported": "stated in the answer: what an invoice is held against",
    "configured": "computed from configured prices: compare with an invoice before trusting it",
    "catalogue": "computed from public list prices: an estimate, discounts are not in it",
    "unknown": "in no sum: errors, which owe nothing, cut streams, and models without a price",
}


def tokens(facts: Facts) -> Section:
    """Tokens by kind, each as a share of what it is part of."""
    calls = _all(facts)
    rows = (
        ("input", calls.input_tokens, None, "billed per token everywhere"),
        (
            "cache read",
            calls.cache_read_input_tokens,
            share(calls.cache_read_input_tokens, calls.input_tokens),
            "cheaper at the primary: a candidate without a cache costs more than its list price says",
        ),
        (
            "cache write",
            calls.cache_write_input_tokens,
            share(calls.cache_write_input_tokens, calls.input_tokens),
            "billed by some, free at others",
        ),
        ("output", calls.output_tokens, None, "the larger part of most bills"),
        (
            "reasoning",
            calls.reasoning_output_tokens,
            share(calls.reasoning_output_tokens, calls.output_tokens),
            "billed as output: models differ most here",
        ),
    )
    meaning = "What a bill is counted in. Cached tokens are part of the input, reasoning is part of the output."
    return section("tokens", "Tokens", meaning, TOKENS, rows)


def costs(facts: Facts) -> Section:
    """Cost by where it comes from."""
    found: dict[str, Calls] = defaultdict(Calls)
    for use in facts.models:
        found[use.cost_source].add(use.calls)
    rows = (
        (
            source,
            found[source].calls,
            found[source].byok,
            usd(found[source].cost_nano, found[source].cost_known),
            said,
        )
        for source, said in OF_SOURCES.items()
        if source in found
    )
    meaning = (
        "Costs that the provider stated can be reconciled with its invoice; computed ones are as good as their price "
        "list; unknown ones are counted and never taken for zero. All are US dollars, before tax and refunds."
    )
    return section("costs", "Costs", meaning, COSTS, rows)


def dependencies(facts: Facts) -> Section:
    """What is asked of OpenRouter that a plain gateway does not do, by how many calls ask for it."""
    calls: dict[str, Calls] = defaultdict(Calls)
    tenants: dict[str, set[str]] = defaultdict(set)
    for use in facts.tenants:
        for word in use.uses & rules.OPENROUTER_ONLY.keys():
            calls[word].add(use.calls)
            tenants[word].add(use.tenant)
    rows = (
        (
            word,
            len(tenants[word]),
            one.calls,
            usd(one.cost_nano, one.cost_known),
            rules.OPENROUTER_ONLY[word],
        )
        for word, one in sorted(calls.items(), key=lambda item: (-item[1].calls, item[0]))
    )
    meaning = "Each of these needs a replacement, or a decision to do without, before the calls that use it can move."
    return section("dependencies", "Only OpenRouter does", meaning, DEPENDENCIES, rows)


def _all(facts: Facts) -> Calls:
    every = Calls()
    for use in facts.models:
        every.add(use.calls)
    return every
