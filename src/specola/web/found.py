"""What a task's page shows of the ports found in it."""

from collections.abc import Sequence
from dataclasses import dataclass

from specola.domain.found import FoundPort
from specola.domain.person import Actor
from specola.domain.software import Protocol
from specola.domain.task import Task
from specola.factory import Services

__all__ = ["FoundView", "found_views"]

SHOWN_BY_BROWSERS = frozenset({Protocol.HTTP, Protocol.HTTPS, Protocol.RFB})


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundView:
    """One found port: what it is, where a browser opens it, and how a program reaches it."""

    port: FoundPort
    address: str
    command: str

    @property
    def in_browser(self) -> bool:
        """Whether a browser shows what speaks there."""
        return self.port.protocol in SHOWN_BY_BROWSERS

    @property
    def recognised(self) -> bool:
        """Whether it is known what speaks there."""
        return self.port.protocol is not Protocol.TCP


async def found_views(services: Services, actor: Actor, task: Task) -> Sequence[FoundView]:
    """Return the ports found in a task: those that a browser opens first, those that were not recognised last."""
    views = [
        FoundView(
            port=port,
            address=services.addresses.origin(task.id, port.name) + "/",
            command=f"specola forward {task.id} {port.name}",
        )
        for port in await services.found.of(actor, task.id)
    ]
    return sorted(views, key=lambda one: (not one.in_browser, not one.recognised, one.port.port))
