"""A computing inside this process: real listeners on the loopback, no containers; for quick tests and rehearsals."""

from specola.computing.memory.computing import MemoryComputing
from specola.computing.memory.world import Script, World

__all__ = ["MemoryComputing", "Script", "World"]
