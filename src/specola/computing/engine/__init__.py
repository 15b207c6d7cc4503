"""A container engine as a computing: Docker or Podman, by the Docker Engine API."""

from specola.computing.engine.accounts import AccountEngines
from specola.computing.engine.computing import EngineComputing
from specola.computing.engine.config import EngineSettings, not_a_persons

__all__ = ["AccountEngines", "EngineComputing", "EngineSettings", "not_a_persons"]
