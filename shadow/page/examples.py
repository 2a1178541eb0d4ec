"""Examples as a page shows them: cut to what is read, and from where answers begin to differ. Pure.

What they hold comes from prompts and models: characters that would turn text around or hide it are written out.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from shadow.exchange import Answer
from shadow.report.examples import Example
from shadow.report.judgement import NAMES
from shadow.report.layout import safe

PROMPT_CHARACTERS: Final = 400  # enough to see what was asked
ANSWER_CHARACTERS: Final = 600
BEFORE: Final = 80  # characters that are alike, before those that differ


@dataclass(frozen=True, slots=True)
class Shown:
    """One example, as text."""

    kind: str
    tenant: str
    exchange_id: str
    asked: str
    primary: str
    candidate: str
    note: str


def shown(examples: Iterable[Example], arm: str) -> tuple[Shown, ...]:
    """Those of one candidate, in their order."""
    return tuple(_shown(one) for one in examples if one.arm == arm)


def _shown(one: Example) -> Shown:
    said, theirs = _said(one.primary), _said(one.candidate)
    start = max(0, _alike(said, theirs) - BEFORE)
    notes = [f"{one.redactions} redacted"] if one.redactions else []
    notes += [] if one.whole else ["parts of it were not kept"]
    return Shown(
        NAMES[one.kind],
        safe(one.tenant),
        one.exchange_id,
        cut(_asked(one.request), PROMPT_CHARACTERS) or "The request was not kept.",
        cut(said, ANSWER_CHARACTERS, start) or "Nothing was said.",
        cut(theirs, ANSWER_CHARACTERS, start) or "Nothing was said.",
        ", ".join(notes),
    )


def cut(text: str, characters: int, start: int = 0) -> str:
    """So many characters from a place on; what is left out is marked, what cannot be seen is written out."""
    before, after = "…" if start else "", "…" if len(text) > start + characters else ""
    part = text[start : start + characters].strip()
    return f"{before}{''.join(map(_visible, part))}{after}" if part else ""


def _alike(one: str, other: str) -> int:
    """How many characters two texts have in common from their beginning on."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (mine, theirs) in pairs if mine != theirs), min(len(one), len(other)))


def _visible(character: str) -> str:
    shows = character.isprintable() or character in "\n\t"
    return character if shows else character.encode("unicode_escape").decode()


def _asked(request: dict[str, Any] | None) -> str:
    """What was asked last: the last message that is a user's; of other endpoints the prompt or the input."""
    if request is None:
        return ""
    messages = request.get("messages") or request.get("input") or request.get("prompt")
    if not isinstance(messages, list):
        return messages if isinstance(messages, str) else ""
    users = [one for one in messages if isinstance(one, dict) and one.get("role") == "user"]
    return _text(users[-1].get("content")) if users else ""


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(str(one["text"]) for one in parts if isinstance(one, dict) and isinstance(one.get("text"), str))


def _said(answer: Answer) -> str:
    """All of an answer that people compare."""
    calls = [f"→ {call.name or '?'}({call.arguments})" for call in answer.tool_calls]
    return "\n".join(filter(None, (answer.refusal, answer.text, *calls)))
