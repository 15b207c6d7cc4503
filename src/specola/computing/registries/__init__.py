"""Registries of images, as every kind of computing asks them: what an image is, before any of it is fetched."""

from specola.computing.registries.reach import AddressRefusedError, Reach
from specola.computing.registries.registry import Registry

__all__ = ["AddressRefusedError", "Reach", "Registry"]
