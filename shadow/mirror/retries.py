"""A client's own retries: the same bytes again within minutes, counted up in the client library's header.

The OpenAI client libraries retry on timeouts and 5xx and say so in `x-stainless-retry-count`; nothing else of the
request changes. A retry of a request that was already considered is the same request. They count from the first
attempt on, 0, so what is not counted need not be remembered.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from shadow.exchange import Exchange, header

RETRY_HEADER: Final = "x-stainless-retry-count"
WITHIN_S: Final = 600.0  # the client gives an attempt up after 600 s by default, so a retry may begin that late
MAX_COUNT: Final = 16_384  # ten minutes at 27 a second, in about 3 MB; beyond that the oldest are forgotten


@dataclass(slots=True)
class Retries:
    """Remembers requests by a hash. The clock is the exchanges' own `started_at`."""

    max_count: int = MAX_COUNT
    _seen: "OrderedDict[int, tuple[str, float]]" = field(default_factory=OrderedDict)

    def is_retry(self, exchange: Exchange) -> bool:
        """Whether this is a retry of a remembered request. Remembers it, where its client counts.

        The same exchange handed over once more is not its own retry.
        """
        count = header(exchange.request_headers, RETRY_HEADER)
        if count is None:
            return False
        asked = _hash(exchange)
        earlier = self._seen.get(asked)
        again = (
            earlier is not None
            and earlier[0] != exchange.exchange_id
            and exchange.started_at - earlier[1] <= WITHIN_S
            and _number(count) > 0
        )
        if not again:
            self._seen[asked] = (exchange.exchange_id, exchange.started_at)
            self._seen.move_to_end(asked)
            while len(self._seen) > self.max_count:
                self._seen.popitem(last=False)
        return again


def _hash(exchange: Exchange) -> int:
    """Python's own: keyed by the process, so that nobody can aim at another's, and a fifth of a digest's work."""
    return hash((exchange.path, exchange.attribution.key_fingerprint, exchange.request_body.head))


def _number(count: str) -> int:
    return int(count) if count.isascii() and count.isdigit() and len(count) < 4 else 0
