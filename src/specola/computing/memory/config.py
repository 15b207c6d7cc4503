"""Settings of a computing of kind `memory`."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["MemorySettings"]


class MemorySettings(BaseModel):
    """How large the computing claims to be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    architecture: str = "amd64"
    cpus: Annotated[float, Field(gt=0)] = 4.0
    memory: Annotated[int, Field(gt=0)] = 8 * 1024**3
