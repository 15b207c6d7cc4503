"""Sees a request that cannot go on at once to where it goes: asks `web`, dials, and tries once more."""

import asyncio
import logging
from typing import TYPE_CHECKING

from specola.gateway.admission import Asked
from specola.gateway.asking import InternalError
from specola.gateway.requests import RefusedError
from specola.gateway.routes import Carry, Passage, dial
from specola.gateway.upstream import Upstream
from specola.piping import Early

if TYPE_CHECKING:
    from specola.gateway.admission import Admission
    from specola.gateway.visitor import Visitor

__all__ = ["Errand", "task_is_away", "web_is_away"]

log = logging.getLogger(__name__)


class Errand:
    """One request, while its visitor waits."""

    def __init__(self, visitor: "Visitor", asked: Asked, admission: "Admission") -> None:
        self._visitor = visitor
        self._asked = asked
        self._admission = admission

    def start(self, carry: Carry | None) -> asyncio.Task[None]:
        """Begin, with where the request goes if that is known."""
        return asyncio.get_running_loop().create_task(self._run(carry))

    async def _run(self, carry: Carry | None) -> None:
        try:
            if carry is None:
                await self._admit()
            else:
                await self._open(carry)
        except Exception:
            log.exception("a request could not be served")
            self._visitor.refuse(RefusedError(500, "internal", "Something went wrong here.", hint="Try again later."))

    async def _admit(self) -> None:
        try:
            result = await self._admission.admit(self._asked)
        except RefusedError as error:
            self._visitor.refuse(error)
        except InternalError as error:
            log.warning("web could not be asked: %s", error)
            self._visitor.refuse(web_is_away())
        else:
            await self._go_on(result, again=True)

    async def _go_on(self, result: Carry | Passage | bytes, *, again: bool) -> None:
        if isinstance(result, bytes):
            self._visitor.say(result, last=self._asked.last)
        elif isinstance(result, Passage):
            await self._open_tunnel(result, again=again)
        else:
            await self._open(result, again=again)

    async def _open_tunnel(self, passage: Passage, *, again: bool) -> None:
        visitor, route = self._visitor, passage.route
        if route.lease is not None and route.lease.decision is not passage.decision:
            await self._admit()
            return
        visitor.leave_upstream()
        # Joined before the task is dialled, as in `_open`.
        visitor.bind(route.lease, passage.decision, self._asked.via.visitor(self._asked.head))
        stream: Early | None = None
        try:
            stream = await dial(route, Early)
        except (OSError, TimeoutError) as error:
            log.info("%s cannot be reached: %s", route.endpoint, str(error) or type(error).__name__)
            self._admission.doubt(route)
            result = await self._admitted_again() if again else None
            if result is not None:
                await self._go_on(result, again=False)
                return
        visitor.become_tunnel(passage, stream)

    async def _admitted_again(self) -> Carry | Passage | bytes | None:
        """Ask `web` once more after a task could not be reached; None: nothing better is known."""
        try:
            return await self._admission.admit(self._asked)
        except (RefusedError, InternalError):
            return None

    async def _open(self, carry: Carry, *, again: bool = True) -> None:
        visitor = self._visitor
        lease = carry.route.lease
        if lease is not None and lease.decision is not carry.decision:
            # Taken back or changed after it was given and before it was acted upon: nothing would close it later.
            await self._admit()
            return
        if visitor.upstream is not None and visitor.usable(visitor.upstream, carry):
            visitor.send(visitor.upstream, carry)
            return
        visitor.leave_upstream()
        # Bound before it is dialled, so that what is revoked meanwhile closes this connection too.
        visitor.bind(carry.route.lease, carry.decision, self._asked.via.visitor(carry.head))
        try:
            upstream = await dial(carry.route, lambda: Upstream(visitor, carry.route))
        except (OSError, TimeoutError) as error:
            if carry.route.to_task:
                log.info("%s does not answer: %s", carry.route.endpoint, str(error) or type(error).__name__)
            await self._unreachable(carry, again=again)
        else:
            visitor.upstream = upstream
            visitor.send(upstream, carry)

    async def _unreachable(self, carry: Carry, *, again: bool) -> None:
        if not carry.route.to_task:
            self._visitor.refuse(web_is_away())
            return
        # The decision may be old: the task has ended, or is at another address. `web` knows by now.
        self._admission.doubt(carry.route)
        result = await self._admitted_again() if again else None
        if result is not None:
            await self._go_on(result, again=False)
            return
        self._visitor.refuse(task_is_away("The application does not accept connections."))


def web_is_away() -> RefusedError:
    """Make the error for a `web` that does not answer."""
    return RefusedError(503, "web_away", "The platform is restarting.", hint="Try again in a few seconds.")


def task_is_away(sentence: str) -> RefusedError:
    """Make the error for a task that does not answer as it should."""
    return RefusedError(
        502, "application_away", sentence, hint="Try again in a few seconds; its task page shows its log."
    )
