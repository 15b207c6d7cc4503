"""Drafts: what can be told of a software from its image alone."""

import re
from collections.abc import Collection

from specola.domain.computing import ImageDetails
from specola.domain.reference import ImageReference
from specola.domain.software import Interface, Protocol, Release, RunsAs

__all__ = ["guess_protocol", "interfaces_of", "name_for", "release_of", "short_name_of", "title_of"]

# Assigned by IANA or by long custom. Whatever is not here is most often a web page.
WELL_KNOWN = {
    22: Protocol.SSH,
    443: Protocol.HTTPS,
    2222: Protocol.SSH,
    3306: Protocol.MYSQL,
    5432: Protocol.POSTGRES,
    6379: Protocol.REDIS,
    8443: Protocol.HTTPS,
    9443: Protocol.HTTPS,
    33060: Protocol.MYSQL,
    50051: Protocol.GRPC,
}
PLAIN_TCP = frozenset(
    {21, 23, 25, 53, 110, 143, 389, 445, 587, 636, 993, 995, 1433, 1521, 1883, 2181, 3389, 4222, 5671, 5672, 6000}
    | {7687, 8883, 9042, 9092, 9418, 11211, 27017, 33061}
)
VNC = range(5900, 5910)
NAMES = {Protocol.HTTP: "web", Protocol.HTTPS: "web", Protocol.RFB: "desktop"}
MOST = 32


def guess_protocol(port: int) -> Protocol:
    """Return what most probably speaks at a port, by its number alone."""
    if port in VNC:
        return Protocol.RFB
    return Protocol.TCP if port in PLAIN_TCP else WELL_KNOWN.get(port, Protocol.HTTP)


def interfaces_of(ports: tuple[int, ...]) -> tuple[Interface, ...]:
    """Return an interface for each exposed port, at most 32, named by what speaks there."""
    interfaces: list[Interface] = []
    for port in sorted(set(ports))[:MOST]:
        protocol = guess_protocol(port)
        name = name_for(port, protocol, {one.name for one in interfaces})
        interfaces.append(Interface(name=name, port=port, protocol=protocol))
    return tuple(interfaces)


def name_for(port: int, protocol: Protocol, taken: Collection[str]) -> str:
    """Return a name for an interface that is none of `taken`: what speaks there, with the port where that is needed."""
    name = NAMES.get(protocol, protocol.value)
    return f"{name}-{port}" if name in taken else name


def release_of(reference: ImageReference, details: ImageDetails) -> Release:
    """Return a release that runs an image as it is: its own command, its own user, each exposed port an interface."""
    return Release(
        id="",
        version=reference.tag,
        image=reference.text,
        digest=details.digest,
        user=RunsAs.IMAGE,
        interfaces=interfaces_of(details.ports),
    )


def short_name_of(reference: ImageReference) -> str:
    """Return a name for an entry: `quay.io/jupyter/scipy-notebook:2026` gives scipy-notebook."""
    return re.sub(r"[-._]{2,}", "-", reference.short_name)[:60].strip("-._")


def title_of(reference: ImageReference) -> str:
    """Return a title: scipy-notebook gives Scipy notebook."""
    words = re.sub(r"[-._]+", " ", reference.short_name)
    return words[:1].upper() + words[1:80]
