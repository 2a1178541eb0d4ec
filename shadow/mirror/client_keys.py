"""Whether a key is one that clients use. The control replays under none of these.

OpenRouter holds what running requests may cost against the balance of their account, and answers 402 to what exceeds
it (its page on limits): a replay under a client's key could have that client's next request refused. Keys are known as
fingerprints: those of the registry, those seen since the start, and those of the exchanges in the store.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from shadow.events import Event
from shadow.fingerprint import fingerprint
from shadow.log import tell

MAX_SEEN: Final = 4096  # in half a megabyte; those forgotten are in the store
Stored = Callable[[str], Awaitable[bool]]  # whether the store has an exchange that came with a key of this fingerprint


class ClientKeys:
    """The clients' keys of one deployment; `secret` is that of its fingerprints."""

    def __init__(self, secret: bytes, registered: Collection[str], stored: Stored) -> None:
        self._secret = secret
        self._registered = frozenset(registered)
        self._stored = stored
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._unused: str | None = None  # the last one that was found with no client
        self._told: str | None = None

    def note(self, key_fingerprint: str | None) -> None:
        """A client's exchange came with this key."""
        if key_fingerprint is None:
            return
        self._seen[key_fingerprint] = None
        self._seen.move_to_end(key_fingerprint)
        if len(self._seen) > MAX_SEEN:
            self._seen.popitem(last=False)
        if key_fingerprint == self._unused:
            self._unused = None

    async def include(self, key: str | None) -> bool:
        """Whether a client uses this key; said in the log once. Raises where the store cannot be asked."""
        mine = fingerprint(key or "", self._secret)
        if mine == self._unused:
            return False
        if self._known(mine) or await self._stored(mine) or self._known(mine):  # while the store was asked, one came
            self._seen[mine] = None
            if mine != self._told:
                self._told = mine
                tell(Event.CONTROL_KEY_SHARED)
            return True
        self._unused = mine
        return False

    def _known(self, key_fingerprint: str) -> bool:
        return key_fingerprint in self._registered or key_fingerprint in self._seen
