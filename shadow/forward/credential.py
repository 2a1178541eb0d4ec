"""The client's key, put with an exchange that may be owed a delayed cost: only for these does it leave the forwarder.

No body is read here, so what may be owed one is told by how the exchange ended. The recorder, which reads the answer,
lets go of the key at once where nothing is owed.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from shadow.exchange import Exchange, Outcome

CUT: Final = frozenset({Outcome.CLIENT_CANCELLED, Outcome.UPSTREAM_TRUNCATED})
KEY_CHARACTERS: Final = 512  # OpenRouter's keys have under 100; whatever is longer is none


def entrusted(exchange: Exchange, find_key: Callable[[], str | None]) -> Exchange:
    """The exchange with its client's key where the answer was good and cut short; any other as it is."""
    answered = exchange.status is not None and 200 <= exchange.status < 300
    if exchange.method != "POST" or not answered or exchange.outcome not in CUT:
        return exchange
    key = find_key()
    if key is None or len(key) > KEY_CHARACTERS or not (key.isascii() and key.isprintable()):
        return exchange
    return replace(exchange, credential=key)
