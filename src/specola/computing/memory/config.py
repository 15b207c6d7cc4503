"""Settings of a computing of kind `memory`."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr

__all__ = ["MemorySettings"]


class MemorySettings(BaseModel):
    """How large the computing claims to be."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    architecture: str = "amd64"
    """What images have to be made for."""
    cpus: Annotated[float, Field(ge=0, title="CPUs")] = 4.0
    """How many it claims to have; 0: it does not tell."""
    memory: Annotated[int, Field(ge=0)] = 8 * 1024**3
    """Bytes that it claims to have; 0: it does not tell."""
    token: SecretStr | None = None
    """Needed for nothing; it stands for what other kinds have to keep secret."""
