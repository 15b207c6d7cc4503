"""How a host is reached, as the record of a computing says it under `host`."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

__all__ = ["SHOWN", "HostSettings", "Identity", "MachineSettings"]


# Forms show these at once, though they need not be said.
SHOWN: JsonDict = {"shown": True}


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

    address: str = Field(min_length=1, max_length=253, title="Address", description="Its name or address.")
    port: int = Field(22, ge=1, le=65535, title="Port", json_schema_extra=SHOWN)
    keys: tuple[str, ...] = Field(
        (),
        title="Host keys",
        json_schema_extra=SHOWN,
        description="Any of them will do: “ssh-ed25519 AAAA…”. Compare them with what the machine's operators publish.",
    )
    authorities: tuple[str, ...] = Field(
        (), title="Authorities of host keys", description="Public keys of authorities that certify its host keys."
    )
    jump: "MachineSettings | None" = Field(
        None, title="Jump host", description="The machine that has to be passed on the way, if there is one."
    )

    def leads_as(self, other: "MachineSettings") -> bool:
        """Tell whether these lead to the machine that the others lead to: by one of its host keys, or by the same way."""
        if set(self.keys) & set(other.keys):
            return True
        if (self.address, self.port) != (other.address, other.port):
            return False
        if self.jump is None or other.jump is None:
            return self.jump is other.jump
        return self.jump.leads_as(other.jump)


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

    identity: Identity = Field(
        Identity.CERTIFICATE,
        title="Entered by",
        json_schema_extra=SHOWN,
        description="certificate: each person's own account, by certificates of the platform's authority; key: the same by "
        "a key for each person; shared: one account for all tasks; local: this machine itself.",
    )
    account: str = Field(
        "",
        title="Shared account",
        json_schema_extra=SHOWN,
        description="Where all tasks run with the rights of one account.",
    )
