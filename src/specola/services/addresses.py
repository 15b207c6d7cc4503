"""Addresses: how tasks' interfaces and the platform itself are named to people and programs."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from specola.domain.software import Interface

__all__ = ["Addresses"]

LABEL = re.compile(r"(?P<interface>[a-z0-9]+(?:-[a-z0-9]+)*)--(?P<task>[0-9a-z]{8,12})")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Names made from the platform's own address and the tasks' domain."""

    url: str
    domain: str

    def sign_in_link(self, secret: str) -> str:
        """Return the link that signs its receiver in once; the secret stands in the fragment, which is never sent."""
        return f"{self.url}/sign-in/link#{secret}"

    def invitation(self, secret: str) -> str:
        """Return the link by which its receiver makes an account."""
        return f"{self.url}/invitation#{secret}"

    def shared(self, secret: str) -> str:
        """Return the address by which guests look at a desktop."""
        return f"{self.url}/shared#{secret}"

    def task(self, task: str) -> str:
        """Return the address of a task's page."""
        return f"{self.url}/tasks/{task}"

    def origin(self, task: str, interface: str) -> str:
        """Return the origin of one interface: `http://lab--k3f9x2ab.localhost:8080`."""
        platform = urlsplit(self.url)
        port = f":{platform.port}" if platform.port else ""
        return f"{platform.scheme}://{interface}--{task}.{self.domain}{port}"

    def open(self, task: str, interface: Interface) -> str:
        """Return where an interface is opened."""
        if interface.protocol.shows_in_browser:
            return self.origin(task, interface.name) + interface.open
        return f"{interface.protocol}://{interface.name}--{task}.{self.domain}"

    def read(self, host: str) -> tuple[str, str] | None:
        """Return (interface, task) of a host name (with or without port), or None if it is not a task's."""
        name = host.partition(":")[0].lower()
        suffix = "." + self.domain
        if not name.endswith(suffix):
            return None
        found = LABEL.fullmatch(name.removesuffix(suffix))
        return (found["interface"], found["task"]) if found else None
