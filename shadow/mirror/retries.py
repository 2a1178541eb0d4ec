"""A client's own retries: the same bytes again within minutes, counted up in the client library's header.

The OpenAI client libraries retry on timeouts and 5xx and say so in `x-stainless-retry-count`; nothing else of the
request changes. A retry of a request that was already considered is the same request.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from shadow.exchange import Exchange, header

RETRY_HEADER: Final = "x-stainless-retry-count"
WITHIN_S: Final = 600.0  # the client gives an attempt up after 600 s by default, so a retry may begin that late
MAX_COUNT: Final = 16_384  # ten minutes at 27 a second, in about 3 MB; beyond that the oldest are forgotten


@dataclass(slots=True)
class Retries:
    """Remembers requests by digest. The clock is the exchanges' own `started_at`."""

    max_count: int = MAX_COUNT
    _seen: "OrderedDict[bytes, tuple[str, float]]" = field(default_factory=OrderedDict)

    def is_retry(self, exchange: Exchange) -> bool:
        """Whether this is a retry of a remembered request. Remembers it.

        The same exchange handed over once more is not its own retry.
        """
        digest = _digest(exchange)
        earlier = self._seen.get(digest)
        again = (
            earlier is not None
            and earlier[0] != exchange.exchange_id
            and exchange.started_at - earlier[1] <= WITHIN_S
            and _count(exchange) > 0
        )
        if not again:
            self._seen[digest] = (exchange.exchange_id, exchange.started_at)
            self._seen.move_to_end(digest)
            while len(self._seen) > self.max_count:
                self._seen.popitem(last=False)
        return again


def _digest(exchange: Exchange) -> bytes:
    owner = exchange.attribution.key_fingerprint or ""
    digest = hashlib.blake2b(f"{exchange.path}\0{owner}\0".encode(), digest_size=16)
    digest.update(exchange.request_body.head)
    return digest.digest()


def _count(exchange: Exchange) -> int:
    value = header(exchange.request_headers, RETRY_HEADER) or ""
    return int(value) if value.isascii() and value.isdigit() and len(value) < 4 else 0
