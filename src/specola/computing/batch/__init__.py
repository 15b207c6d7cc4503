"""Tasks as batch jobs: a scheduler starts them on a node, and a one-file agent there starts the container."""

from specola.computing.batch.computing import BatchComputing
from specola.computing.batch.config import BatchSettings

__all__ = ["BatchComputing", "BatchSettings"]
