"""What registries and machines say of images, in one set of words."""

from collections.abc import Mapping
from typing import Any

__all__ = ["architecture", "exposed"]

# What machines call themselves, and what registries call them (Go's GOARCH).
MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm", "i686": "386", "i386": "386"}


def architecture(machine: str) -> str:
    """Return an architecture in registries' words."""
    return MACHINES.get(machine, machine)


def exposed(config: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the TCP ports that an image's configuration declares, in order."""
    ports = (one.partition("/") for one in config.get("ExposedPorts") or {})
    return tuple(sorted(int(port) for port, _, kind in ports if kind in {"", "tcp"} and port.isdecimal()))
