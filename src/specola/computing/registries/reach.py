"""Which registries may be asked from this host: what images are called by is typed by anybody, and must not lead into it."""

from collections.abc import Awaitable, Callable, Collection

import httpx

from specola.addresses import is_inside, resolved

__all__ = ["AddressRefusedError", "Reach"]

Resolve = Callable[[str, int], Awaitable[list[str]]]


class AddressRefusedError(Exception):
    """A registry, or what it leads to, is where nobody may be asked; the message says where that is."""


class Reach:
    """Tells registries that may be asked from those that may not.

    Parameters
    ----------
    plain
        The registries that the operator named, `HOST` or `HOST:PORT`: asked without TLS, wherever they are.
    resolve
        Returns the addresses of a host's name, as `resolved` does.
    """

    def __init__(self, plain: Collection[str] = (), *, resolve: Resolve | None = None) -> None:
        self._plain = frozenset(map(_named, plain))
        self._resolve = resolve or resolved

    def scheme(self, registry: str) -> str:
        """Return how a registry is asked."""
        return "http" if _named(registry) in self._plain else "https"

    async def vet(self, url: httpx.URL) -> list[str]:
        """Return the addresses that may be connected to in order to ask for something.

        Raises
        ------
        AddressRefusedError
            It is not protected by TLS, or any of its addresses is this host's own or link-local.
        OSError
            The name has no address.
        """
        host = url.raw_host.decode("ascii")
        named = url.scheme == "http" and self.scheme(url.netloc.decode("ascii")) == "http"
        if not named and url.scheme != "https":
            raise AddressRefusedError("it would be asked without TLS")
        addresses = await self._resolve(host, url.port or (80 if named else 443))
        if not named and any(map(is_inside, addresses)):
            raise AddressRefusedError("it is on this machine, or at an address that only its own link knows")
        return addresses


def _named(registry: str) -> str:
    return registry.lower().removesuffix(":80")
