"""The most that a replay can cost, known before it is sent. Pure.

Counts are upper bounds, not estimates: what is reserved too much is free again when the replay ends, and what is
reserved too little may be spent beyond the budget.

- Prompt: a token is at least a byte, with every tokenizer that falls back to bytes for what it does not know, which is
  all that providers use. So the body's bytes bound it, and its JSON pays for the chat template's own tokens.
- Pictures: their bytes say nothing; each is taken for the dearest there is.
- Answer: the limit that the request sets, reasoning included. Where it sets none the arm's `max_output_tokens` is sent
  as its limit, or there would be no bound.
- Price: whichever is dearest, all of the prompt uncached or all of it written to a cache.

What an endpoint adds on its own has no bound: Groq's compound models search, and bill what they find as prompt. Then
the replay is charged with more than it held, the log tells of it, and the budget of the day has that much less.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from shadow.exchange import Usage
from shadow.mirror.rewrite import Rewritten
from shadow.wire.prices import PriceBook

LIMITS: Final = ("max_completion_tokens", "max_tokens")
PREAMBLE_TOKENS: Final = 1000  # what an endpoint puts before the prompt: Anthropic's for tools is 264 to 530
# OpenAI's page on vision: gpt-4o-mini counts 2,833 and 5,667 for each of at most eight tiles; no other model as many.
PICTURE_TOKENS: Final = 50_000
CAPPED: Final = "output-cap"  # the tag of a replay whose answer is bounded where its primary's was not


def limited(rewritten: Rewritten, limit: str, cap: int) -> Rewritten:
    """The request with a limit to its answer: as it is where it has one, else with `cap` in the field `limit`.

    Reasoning that was asked for by a number of tokens comes on top, as limits must exceed it.
    """
    body = rewritten.body
    if any(_count(body.get(name)) for name in LIMITS):
        return rewritten
    most = cap + _reasoning(body)
    noted = rewritten.rewrite
    noted = replace(noted, mapped=(*noted.mapped, f"{limit}: none → {most}"), tags=(*noted.tags, CAPPED))
    bare = {name: value for name, value in body.items() if name not in LIMITS}
    return replace(rewritten, body={**bare, limit: most}, rewrite=noted)


def worst_usd_of(body: Mapping[str, Any], size: int, book: PriceBook, at: datetime) -> Decimal | None:
    """What a limited request of `size` bytes costs at most at that time; None where a price is not known.

    Of a request that names several models, the dearest.
    """
    prompt, answer = _prompt(body, size), sum(_count(body.get(name)) for name in LIMITS)
    if body.get("prediction") is not None:
        answer += prompt  # predicted tokens that are not used are billed as output
    usages = (Usage(prompt, answer, 0, 0), Usage(prompt, answer, 0, prompt))
    tier = body.get("service_tier")
    tier = tier if isinstance(tier, str) else None
    costs = [book.cost(usage, [model], at, service_tier=tier).usd for model in _models(body) for usage in usages]
    known = [cost for cost in costs if cost is not None]
    return max(known) if known and len(known) == len(costs) else None


def _models(body: Mapping[str, Any]) -> Iterable[str]:
    named = (body.get("model"), *(body.get("models") or ()))
    return dict.fromkeys(name for name in named if isinstance(name, str))


def _prompt(body: Mapping[str, Any], size: int) -> int:
    pictures = list(_pictures(body))
    return PREAMBLE_TOKENS + size - sum(map(len, pictures)) + PICTURE_TOKENS * len(pictures)


def _pictures(body: Mapping[str, Any]) -> Iterator[str]:
    """The address of each picture, or its data."""
    for message in body.get("messages", ()):
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            if part.get("type") == "image_url":
                image = part.get("image_url")
                url = image.get("url") if isinstance(image, dict) else image
                yield url if isinstance(url, str) and url.startswith("data:") and url.isascii() else ""


def _reasoning(body: Mapping[str, Any]) -> int:
    """The number of tokens that the request asks to be spent on reasoning, by Anthropic's field or OpenRouter's."""
    asked = 0
    for name, count in (("thinking", "budget_tokens"), ("reasoning", "max_tokens")):
        control = body.get(name)
        if isinstance(control, dict):
            asked += _count(control.get(count))
    return asked


def _count(value: object) -> int:
    """A positive whole number, else 0: what else stands there bounds nothing."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
