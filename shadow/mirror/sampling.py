"""Who is drawn: deterministic, by conversation, so that its turns go together and every pod decides alike.

A conversation is a session id where the client names one, else the opening of the conversation (first system and
first user message), else the exchange alone. Its key is hashed with the arm's name to a number in [0, 1); below the
rate it is drawn. The rate is therefore the inclusion probability, and weighting by its inverse is unbiased.
`shadow.mirror.floors` lifts thin segments above the rate.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache, partial
from typing import Any, Final

from shadow.config import Sample, Where
from shadow.exchange import Attribution, Exchange, header

ASK_HEADER: Final = "x-shadow-sample"
SESSION_HEADER: Final = "x-session-id"
SCALE: Final = 1 << 64
REMEMBERED: Final = 1024  # segments: four names of at most 256 characters each, and made-up ones push each other out


@dataclass(frozen=True, slots=True)
class Draw:
    """Whether an exchange is drawn and with which chance it would have been. `asked` is the client's own wish."""

    drawn: bool
    probability: float | None
    asked: bool = False


# `X-Shadow-Sample: always` is included with certainty, so it stands for itself alone; `never` was never drawn.
WISHES: Final[Mapping[str, Draw]] = {
    "always": Draw(drawn=True, probability=1.0, asked=True),
    "never": Draw(drawn=False, probability=None, asked=True),
}


def wish(exchange: Exchange) -> Draw | None:
    """What the application asked for, in the place of a draw; None where it asked for nothing known."""
    asked = header(exchange.request_headers, ASK_HEADER)
    return None if asked is None else WISHES.get(asked.strip().lower())


def draw(arm: str, key: bytes, chance: float) -> Draw:
    """The draw for one arm. `key` is the exchange's `conversation`. Pure: always drawn alike."""
    return Draw(drawn=uniform(arm, key) < chance, probability=chance)


class Rates:
    """The rates of one arm: that of the first rule that matches, else the arm's."""

    def __init__(self, sample: Sample) -> None:
        self._sample = sample
        self._ruled = lru_cache(maxsize=REMEMBERED)(partial(_ruled, sample))

    def of(self, attribution: Attribution, model: str | None) -> float:
        """The rate for a request for this model. What the rules say is remembered: few segments make most requests."""
        if not self._sample.rules:
            return self._sample.rate
        return self._ruled(attribution.tenant, attribution.feature, attribution.plan, model)


def uniform(arm: str, key: bytes) -> float:
    """A number in [0, 1) that is the same on every pod, and independent between arms and conversations."""
    digest = hashlib.sha256(arm.encode() + b"\0" + key).digest()
    # 53 bits are what a float holds exactly; more would round up to 1.0 now and then.
    return (int.from_bytes(digest[:8], "big") >> 11) / (SCALE >> 11)


def conversation(exchange: Exchange, body: Mapping[str, Any]) -> bytes:
    """What identifies the conversation. The owner is part of it: two tenants' greetings are two conversations."""
    owner = exchange.attribution.tenant or exchange.attribution.key_fingerprint or ""
    session = body.get("session_id") or header(exchange.request_headers, SESSION_HEADER)
    if isinstance(session, str) and session:
        return _joined("session", owner, session)
    opening = _opening(body.get("messages"))
    if opening is not None:
        return _joined("opening", owner, *opening)
    return _joined("exchange", exchange.exchange_id)


def segment(attribution: Attribution, model: str | None) -> int:
    """A tenant's feature on one model, as a number of 63 bits: names may be of any length."""
    return number_of(_joined(attribution.tenant or "", attribution.feature or "", model or ""))


def number_of(key: bytes) -> int:
    """A key as a number of 63 bits, as a column of a database holds it."""
    return int.from_bytes(hashlib.sha256(key).digest()[:8], "big") >> 1


def _opening(messages: object) -> tuple[str, str] | None:
    if not isinstance(messages, list):
        return None
    system = _first(messages, ("system", "developer"))
    user = _first(messages, ("user",))
    return None if user is None else (system or "", user)


def _first(messages: list[Any], roles: tuple[str, ...]) -> str | None:
    for message in messages:
        if isinstance(message, dict) and message.get("role") in roles:
            return _text(message.get("content"))
    return None


def _text(content: object) -> str:
    """Content without its form: clients move cache markers, and with them text parts, from turn to turn."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "".join(_part(part) for part in content)


def _part(part: object) -> str:
    """What tells a part from others: its text, or where its picture is."""
    if not isinstance(part, dict):
        return ""
    image = part.get("image_url")
    said = image.get("url") if isinstance(image, dict) else part.get("text")
    return said if isinstance(said, str) else ""


def _joined(*parts: str) -> bytes:
    """Parts with their lengths, so that no two sequences read alike."""
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    return b"".join([b"%d:%s" % (len(part), part) for part in encoded])


def _ruled(sample: Sample, *segment: str | None) -> float:
    return next((rule.rate for rule in sample.rules if _matches(rule.where, segment)), sample.rate)


def _matches(where: Where, segment: tuple[str | None, ...]) -> bool:
    wanted = zip((where.tenant, where.feature, where.plan, where.model), segment, strict=True)
    return all(pattern is None or (value is not None and fnmatchcase(value, pattern)) for pattern, value in wanted)
