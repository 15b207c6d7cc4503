"""Addresses that lead into this machine, or to where only its own link leads: nothing that a stranger names may be there."""

import asyncio
import ipaddress
import socket

__all__ = ["is_here", "is_inside", "resolved"]


def is_inside(address: str) -> bool:
    """Tell whether an address is this machine's loopback, link-local (as of a cloud's metadata), or that of many."""
    one = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(one, ipaddress.IPv6Address):
        one = one.ipv4_mapped or one
    # To connect to the unspecified address (0.0.0.0) is to connect to oneself.
    return one.is_loopback or one.is_link_local or one.is_unspecified or one.is_multicast


def is_here(address: str) -> bool:
    """Tell whether an address leads into this machine, be it one that others use as well."""
    if is_inside(address):
        return True
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as trying:
        try:
            # Only an address of one's own can be bound to; nothing is sent.
            trying.bind((address, 0))
        except OSError:
            return False
    return True


async def resolved(host: str, port: int) -> list[str]:
    """Return the addresses of a name, as this host's resolver has them, the best first. Raises OSError."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"{host} cannot be a name") from error
    return list(dict.fromkeys(str(one[4][0]) for one in found))
