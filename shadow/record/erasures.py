"""Erases a tenant on demand: `POST /-/erase?tenant=T` begins, `GET` says how far it is. One at a time."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from aiohttp import web

from shadow.events import Event
from shadow.log import tell
from shadow.store.errors import StoreError
from shadow.tasks import spawn

RUNNING: Final = "running"
DONE: Final = "done"
FAILED: Final = "failed"


class Store(Protocol):
    """What an erasure needs of a store."""

    async def erase(self, tenant: str, watch: Callable[[int], None]) -> None: ...


class Erasures:
    """The erasure that runs, or the last one that did. It goes on when whoever asked for it has left.

    `landed`, where rows are shipped, waits for those that were read before they were deleted: who erases them where
    they go must find them there.
    """

    def __init__(self, store: Store, landed: Callable[[], Awaitable[None]] | None = None) -> None:
        self._store = store
        self._landed = landed
        self._tenant: str | None = None
        self._state: dict[str, Any] = {}

    async def begin(self, request: web.Request) -> web.Response:
        """202 where it began, 409 while another tenant's runs, 400 without a tenant."""
        tenant = request.query.get("tenant")
        if not tenant:
            return web.Response(status=400, text="Name the tenant: /-/erase?tenant=…\n")
        if self._state.get("state") != RUNNING:
            self._tenant, self._state = tenant, {"state": RUNNING, "deleted": 0}
            spawn(self._erase(tenant, self._state), "erasure")
        elif self._tenant != tenant:
            return web.Response(status=409, text="Another tenant is being erased.\n")
        return web.json_response(self._state, status=202)

    async def show(self, request: web.Request) -> web.Response:
        """The state of a tenant's erasure: running, done or failed, how many rows were deleted, and why it failed."""
        if self._tenant is None or request.query.get("tenant") != self._tenant:
            return web.Response(status=404, text="This tenant is not being erased.\n")
        return web.json_response(self._state)

    async def _erase(self, tenant: str, state: dict[str, Any]) -> None:
        def watch(deleted: int) -> None:
            state["deleted"] = deleted

        try:
            await self._store.erase(tenant, watch)
            if self._landed is not None:
                await self._landed()
        except StoreError as error:
            state |= {"state": FAILED, "reason": str(error)}
            tell(Event.ERASURE_FAILED, deleted=state["deleted"], reason=error)
        else:
            state["state"] = DONE
            tell(Event.ERASED, deleted=state["deleted"])
