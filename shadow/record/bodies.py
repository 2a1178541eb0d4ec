"""What is kept of prompts and answers: of tenants whose registry entry says `bodies: true`, and of no others.

A request is kept as its JSON document. An answer is kept as what it says (`shadow.exchange.Answer`), streamed or not:
a stream spreads its text over hundreds of events, and no pattern finds in one of them what is spread over three. In
both, every text goes through the configured patterns first.

Not kept is what no pattern can look into: pictures, sound and files as data URLs or bare base64, and encrypted
reasoning. Their place says how long they were, and the body counts as not whole. Nor is anything kept of a request
that asks for zero retention or no data collection, that says `X-Shadow-Sample: never`, or that could not be read: it
may have asked for either.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

import orjson

from shadow.config import Capture, Registry
from shadow.events import Event
from shadow.exchange import Answer, Bodies, Exchange, Observation, Replay, header
from shadow.log import tell, where
from shadow.mirror.eligibility import REPLAY_HEADER
from shadow.mirror.sampling import ASK_HEADER
from shadow.record.redaction import Redaction, compiled
from shadow.store.bodies import packed
from shadow.wire.answer import UNREADABLE
from shadow.wire.observe import READER_FAILED, Read
from shadow.wire.request import InferenceRequest

T = TypeVar("T")

PRIVATE: Final = frozenset({"zdr", "no_data_collection"})  # features of requests that ask for it
INCOMPLETE: Final = UNREADABLE | {READER_FAILED}  # anomalies of answers that were not read to their end
PART_BYTES: Final = 4  # what a value takes besides its text: brackets, commas, quotes
MAY_BE_HALF: Final = 256  # characters before a cut: half a secret matches no pattern
# A run this long is no word of any language. It is looked for from its first character only: time stays proportional.
OPAQUE: Final = re.compile(r"(?<![A-Za-z0-9+/=_-])(?:data:[\w.+/;=-]{0,100},)?[A-Za-z0-9+/=_-]{256,}")


class Keeper:
    """Makes the kept bodies of one configuration. `tenants` are those that consent."""

    def __init__(self, capture: Capture, registry: Registry) -> None:
        consenting = (name for name, tenant in registry.tenants.items() if tenant.bodies)
        self.tenants = frozenset(consenting if capture.bodies == "consented" else ())
        self._patterns = compiled(capture.redact if self.tenants else ())
        self._max_bytes = capture.bodies_max_bytes

    def of_primary(self, exchange: Exchange, read: Read) -> Bodies | None:
        """What is kept of a primary exchange; None where nothing may be. Never raises."""
        tenant, seen = exchange.attribution.tenant, read.observation
        if tenant is None or tenant not in self.tenants or not seen.inference:
            return None
        if _asks_for_privacy(exchange, seen) or _is_replay(exchange):
            return None
        if read.request is None:
            return _nothing(tenant)
        try:
            return self._of_primary(tenant, read.request, seen)
        except Exception as error:  # noqa: BLE001 (no body is worth a row)
            tell(Event.BODIES_UNKEPT, error=where(error), exchange_id=exchange.exchange_id)
            return _nothing(tenant)

    def of_replay(self, replay: Replay) -> Bodies | None:
        """What a candidate answered; None where it may not be kept, or nothing was said. Never raises."""
        exchange, seen = replay.exchange, replay.observation
        tenant = None if exchange is None else exchange.attribution.tenant
        if tenant is None or tenant not in self.tenants or seen is None or seen.answer == Answer():
            return None
        try:
            redaction = Redaction(self._patterns)
            answer, whole = self._kept(_said(seen.answer), redaction)
        except Exception as error:  # noqa: BLE001 (see above)
            tell(Event.BODIES_UNKEPT, error=where(error), exchange_id=replay.exchange_id)
            return _nothing(tenant)
        return Bodies(tenant, None, answer, whole and INCOMPLETE.isdisjoint(seen.anomalies), redaction.count)

    def _of_primary(self, tenant: str, asked: InferenceRequest, seen: Observation) -> Bodies:
        redaction = Redaction(self._patterns)
        request, request_whole = self._kept(asked.body, redaction)
        answer, answer_whole = None, INCOMPLETE.isdisjoint(seen.anomalies)
        if seen.answer != Answer():
            answer, untouched = self._kept(_said(seen.answer), redaction)
            answer_whole = answer_whole and untouched
        return Bodies(tenant, request, answer, request_whole and answer_whole, redaction.count)

    def _kept(self, document: object, redaction: Redaction) -> tuple[bytes, bool]:
        """A document as it is kept, and whether that is all of it."""
        copy = _Copy(redaction, self._max_bytes)
        data = packed(orjson.dumps(copy.of(document)))
        return data, copy.whole and not redaction.exhausted


def _nothing(tenant: str) -> Bodies:
    """Says that something should have been kept and could not be."""
    return Bodies(tenant, None, None, whole=False, redactions=0)


def _asks_for_privacy(exchange: Exchange, seen: Observation) -> bool:
    asked = (header(exchange.request_headers, ASK_HEADER) or "").strip().lower()
    return asked == "never" or not PRIVATE.isdisjoint(seen.features)


def _is_replay(exchange: Exchange) -> bool:
    """Whether a sidecar sent it: it is not replayed, neither now nor later, when its headers are gone."""
    return header(exchange.request_headers, REPLAY_HEADER) is not None


def _said(answer: Answer) -> Mapping[str, Any]:
    """An answer as a JSON document, without what it does not have. Read back by `shadow.store.bodies`."""
    calls = [{"name": call.name, "arguments": call.arguments, "id": call.id} for call in answer.tool_calls]
    parts = {"text": answer.text, "reasoning": answer.reasoning, "refusal": answer.refusal, "tool_calls": calls}
    return {name: part for name, part in parts.items() if part}


class _Copy:
    """Copies a JSON value: redacted, without what is opaque, of about `room` bytes at most."""

    def __init__(self, redaction: Redaction, room: int) -> None:
        self.whole = True
        self._redaction = redaction
        self._room = room

    def of(self, value: object) -> object:
        """Where room ends, texts are cut, and lists and objects end."""
        self._room -= PART_BYTES
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, list):
            return [self.of(item) for item in self._fitting(value)]
        if isinstance(value, dict):
            return {self._text(key): self.of(item) for key, item in self._fitting(value.items())}
        if value is None or isinstance(value, bool):
            return value
        digits = str(value)  # of a card, perhaps
        cleaned = self._text(digits)
        return value if cleaned == digits else cleaned

    def _fitting(self, items: Iterable[T]) -> Iterator[T]:
        for item in items:
            if self._room <= 0:
                self.whole = False
                return
            yield item

    def _text(self, text: str) -> str:
        text, opaque = OPAQUE.subn(lambda run: f"[left out: {len(run[0])} characters]", text)
        short = text if text.isascii() else text.encode("utf-8", "replace").decode()
        fitting = short.encode()[: max(0, self._room)].decode("utf-8", "ignore")
        cut = len(fitting) < len(short)
        cleaned = self._redaction.clean(fitting)
        if cut:
            cleaned = cleaned[:-MAY_BE_HALF]
        if cut or opaque:
            self.whole = False
        self._room -= len(fitting.encode())
        return cleaned
