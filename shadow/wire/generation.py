"""What a generation cost, as OpenRouter tells it later: the answer of `GET /generation?id=`.

A stream that was cut short brings no usage, and its charge is known nowhere else. The endpoint answers 404 until the
facts are in, and nearly every field of them may be null (OpenRouter's API reference and its page on usage accounting).
What it says in names of its own is put into the shape of the usage object that never came, and read as that is.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from shadow.exchange import Cost, CostSource, Usage
from shadow.wire.documents import mapping, word
from shadow.wire.prices import PriceBook
from shadow.wire.request import PATHS
from shadow.wire.usage import Reported, normalise, reported

VERSION: Final = "generation"  # the price version of a cost that came from here


@dataclass(frozen=True, slots=True)
class Generation:
    """The facts of one generation. `reported` has a cost; all else is None where it was not told.

    `usage` counts native tokens, those that are billed. `cancelled` tells whether the provider stopped when the client
    left: then the cost is that of a part.
    """

    reported: Reported
    usage: Usage = field(default_factory=Usage)
    model: str | None = None
    service_tier: str | None = None
    cancelled: bool | None = None

    def cost(self, names: Sequence[str | None], at: datetime, book: PriceBook) -> Cost:
        """What the call cost, by the primary's book. `names` are what the model was called, `at` is when it was asked.

        The price version says that the facts came late, and which list priced what they leave open, if one had to.
        """
        names = (self.model, *names)
        cost = book.cost(self.usage, names, at, self.reported, service_tier=self.service_tier)
        listed = cost.source in (CostSource.CONFIGURED, CostSource.CATALOGUE)
        version = f"{VERSION}, {cost.price_version}" if listed else VERSION
        return cost if cost.usd is None else replace(cost, price_version=version)


def read_generation(body: bytes) -> Generation | None:
    """The facts in an answer. None where it states no cost yet, or is not what it should be. Never raises."""
    try:
        document = json.loads(body, parse_float=Decimal)  # a float would turn an amount into its neighbour
    except (ValueError, ArithmeticError, RecursionError):
        return None
    facts = mapping(mapping(document).get("data"))
    stated = reported(_usage(facts), b"")
    if stated is None or stated.cost is None:
        return None
    cancelled = facts.get("cancelled")
    return Generation(
        reported=stated,
        usage=replace(normalise(_usage(facts)), anomalies=()),
        model=word(facts.get("model")),
        service_tier=word(facts.get("service_tier")),
        cancelled=cancelled if isinstance(cancelled, bool) else None,
    )


def generation_path(path: str) -> str | None:
    """Where the facts of a model call's generation are, beside the path of the call; None where that is no model call.

    Only the paths of the closed set lead anywhere, so no client can send its key's question elsewhere.
    """
    endpoint = PATHS.get(path)
    if endpoint is None:
        return None
    name = min((known for known, kind in PATHS.items() if kind is endpoint), key=len)  # the one under no base
    return path.removesuffix(name) + "/generation"


def _usage(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """The usage object that the answer itself would have carried."""
    return {
        "cost": facts.get("total_cost"),
        "is_byok": facts.get("is_byok"),
        "cost_details": {"upstream_inference_cost": facts.get("upstream_inference_cost")},
        "prompt_tokens": facts.get("native_tokens_prompt"),
        "completion_tokens": facts.get("native_tokens_completion"),
        "prompt_tokens_details": {"cached_tokens": facts.get("native_tokens_cached")},
        "completion_tokens_details": {"reasoning_tokens": facts.get("native_tokens_reasoning")},
    }
