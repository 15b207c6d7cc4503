"""A container engine as a computing: Docker or Podman, by the Docker Engine API."""

from specola.computing.engine.computing import EngineComputing
from specola.computing.engine.config import EngineSettings

__all__ = ["EngineComputing", "EngineSettings"]
