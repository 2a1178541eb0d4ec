"""The client's key, put with an exchange that may be owed a delayed cost: only for these does it leave the forwarder.

No body is read here, so what may be owed one is told by how the exchange ended. The recorder, which reads the answer,
lets go of the key at once where nothing is owed.
"""

from typing import Final

from shadow.exchange import Outcome
from shadow.forward.attribution import api_key
from shadow.forward.tap import Capture

CUT: Final = frozenset({Outcome.CLIENT_CANCELLED, Outcome.UPSTREAM_TRUNCATED})
KEY_CHARACTERS: Final = 512  # OpenRouter's keys have under 100; whatever is longer is none


def entrusted(capture: Capture, outcome: Outcome) -> str | None:
    """The client's key where the answer was good and cut short; None for any other exchange."""
    answered = capture.status is not None and 200 <= capture.status < 300
    if capture.method != b"POST" or not answered or outcome not in CUT:
        return None
    key = api_key(capture.fields)
    if key is None or len(key) > KEY_CHARACTERS or not (key.isascii() and key.isprintable()):
        return None
    return key
