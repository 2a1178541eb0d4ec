"""The control's request: the client's own, as it is, so that what differs is what answers differ by themselves.

Routers, lists of fallbacks and routing preferences go along: that OpenRouter may choose another model or provider the
next time is part of the noise, and its promises to the caller (`zdr`, `data_collection`) hold for the control as well.
Only a request that names no model stays out: what answers it is a setting of the client's account. What no replay may
carry was refused by `shadow.mirror.eligibility`. Pure.
"""

from collections.abc import Mapping
from typing import Any, Final

from shadow.exchange import Rewrite
from shadow.mirror.models import resolved_at_run_time
from shadow.mirror.reasons import Ineligible
from shadow.mirror.rewrite import Rewritten

LIMIT: Final = "max_tokens"  # OpenRouter takes this and the newer name alike
ROUTED: Final = Rewrite(tags=("routed",))


def refused(body: Mapping[str, Any]) -> Ineligible | None:
    """Why the request cannot be asked again as it is."""
    named = body.get("model") or body.get("models")
    return None if named else Ineligible.MODEL_UNMAPPED


def as_asked(body: Mapping[str, Any]) -> Rewritten:
    """The request as it is; tagged where the router chose who answers."""
    return Rewritten(body, ROUTED if resolved_at_run_time(body) else Rewrite(), body.get("stream") is True)
