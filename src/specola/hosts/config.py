"""How a host is reached, as the record of a computing says it under `host`."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["HostSettings", "Identity", "MachineSettings"]


class Identity(StrEnum):
    """With which rights a host is entered."""

    CERTIFICATE = "certificate"
    KEY = "key"
    SHARED = "shared"
    LOCAL = "local"


class MachineSettings(BaseModel):
    """One machine that speaks SSH, and how it is known to be the right one.

    Parameters
    ----------
    address
        Its name or address.
    keys
        Its host keys as lines of known_hosts(5) without the names; any of them will do.
    authorities
        Public keys of authorities; a host key that one of them has certified for this address will do as well.
    jump
        The machine that has to be passed on the way.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: Annotated[str, Field(min_length=1, max_length=253)]
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    keys: tuple[str, ...] = ()
    authorities: tuple[str, ...] = ()
    jump: "MachineSettings | None" = None


class HostSettings(MachineSettings):
    """The host that a computing works on.

    Parameters
    ----------
    identity
        `certificate`: each person's own account, by certificates that the platform's authority signs for minutes; `key`:
        the same by a key for each person; `shared`: one account for all tasks; `local`: this machine, as the platform's own user.
    account
        The shared account.
    """

    identity: Identity = Identity.CERTIFICATE
    account: str = ""
