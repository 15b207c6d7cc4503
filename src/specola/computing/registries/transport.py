"""How registries are connected to: at the very addresses that were vetted, or by the proxy that the environment names."""

from collections.abc import Mapping
from urllib.request import getproxies, proxy_bypass

import httpx
from typing_extensions import override

from specola.computing.registries.reach import Reach

__all__ = ["VettedTransport"]

# A connection is known by its address alone: one that was made for another name there must not be used again.
NO_REUSE = httpx.Limits(max_keepalive_connections=0)


class VettedTransport(httpx.AsyncBaseTransport):
    """Looks a name up once for each request, and connects to what was found then.

    If it were looked up again for the connection, whoever owns the name could answer differently the second time.
    Whoever serves it is still asked for, and has to show a certificate of, that name. Behind a proxy it is the proxy that
    looks names up, and what it reaches is up to it.
    """

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._direct = httpx.AsyncHTTPTransport(limits=NO_REUSE)
        self._proxies = _proxies()

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        proxy = self._proxies.get(request.url.scheme)
        if proxy is not None and not proxy_bypass(request.url.netloc.decode("ascii")):
            return await proxy.handle_async_request(request)
        try:
            addresses = await self._reach.vet(request.url)
        except OSError as error:
            raise httpx.ConnectError(str(error)) from error
        for address in addresses[:-1]:
            try:
                return await self._direct.handle_async_request(_pinned(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._direct.handle_async_request(_pinned(request, addresses[-1]))

    @override
    async def aclose(self) -> None:
        for one in (self._direct, *self._proxies.values()):
            await one.aclose()


def _pinned(request: httpx.Request, address: str) -> httpx.Request:
    """Return a request to an address; the field `Host` is that of the name already."""
    name = request.url.raw_host.decode("ascii")
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": name},
    )


def _proxies() -> Mapping[str, httpx.AsyncHTTPTransport]:
    """Return the ways by the proxy that HTTPS_PROXY names; only TLS is safe with whatever stands behind one."""
    named = getproxies().get("https")
    return {"https": httpx.AsyncHTTPTransport(proxy=named)} if named else {}
