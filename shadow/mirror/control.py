"""The control's request: the client's own, as it is, so that what differs is what answers differ by themselves.

Routers, lists of fallbacks and routing preferences go along: that OpenRouter may choose another model or provider the
next time is part of the noise, and its promises to the caller (`zdr`, `data_collection`) hold for the control as well.
What settings of the client's account add to it the control's account has to have as well: a request that names no model
stays out, and privacy that the account demands must be declared. What no replay may carry was refused by
`shadow.mirror.eligibility`. Pure.
"""

from collections.abc import Mapping
from typing import Any, Final

from shadow.config import Control, Promise
from shadow.exchange import Rewrite
from shadow.mirror.models import leaves_to_router
from shadow.mirror.reasons import Ineligible
from shadow.mirror.rewrite import Rewritten

LIMIT: Final = "max_tokens"  # OpenRouter takes this and the newer name alike
ROUTED: Final = Rewrite(tags=("routed",))


def refused(body: Mapping[str, Any], control: Control, demanded: tuple[Promise, ...]) -> Ineligible | None:
    """Why the request cannot be asked again as it is. `demanded` is what the client's account demands for it."""
    if not set(demanded) <= set(control.compliant):
        return Ineligible.PRIVACY
    named = body.get("model") or body.get("models")
    return None if named else Ineligible.MODEL_UNMAPPED


def as_asked(body: Mapping[str, Any]) -> Rewritten:
    """The request as it is; tagged where the router chose who answers."""
    return Rewritten(body, ROUTED if leaves_to_router(body) else Rewrite(), body.get("stream") is True)
