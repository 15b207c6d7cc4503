"""What one is known by to the SSH front door: public keys, certificates, and the platform's own authority."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from specola.api.dependencies import AnyActor, Connecting, Keys, Reader, Wiring

__all__ = ["router"]

router = APIRouter(tags=["account"])


class PublicKeyView(BaseModel):
    """A public key on one's account."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    title: str
    algorithm: str
    fingerprint: str = Field(description="as `ssh-keygen -l` prints it")
    created: datetime
    last_used: datetime | None
    token: str | None = Field(description="the token that added the key, and with which it ends")


class NewKey(BaseModel):
    """A public key to add."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    key: str = Field(max_length=20_000, description="one line as OpenSSH writes it into a file that ends in .pub")
    title: str = Field(default="", max_length=200, description="empty: the key's own comment")


class NewCertificate(BaseModel):
    """A public key to certify."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    key: str = Field(max_length=20_000, description="one line as OpenSSH writes it into a file that ends in .pub")
    hours: float = Field(default=8.0, gt=0, le=24, description="how long the certificate lasts")


class CertificateView(BaseModel):
    """A user certificate; it ends with the session or the token that asked for it."""

    certificate: str = Field(description="one line for a file that ends in -cert.pub")
    serial: str
    expires: datetime


class AuthorityView(BaseModel):
    """Where the SSH front door is, and how a client knows it."""

    host: str
    port: int = Field(description="0: this platform has no SSH front door")
    names: list[str] = Field(description="the names that its certificate is good for")
    known_hosts: str = Field(description="one line for ~/.ssh/known_hosts")


@router.get("/account/keys", summary="List one's own public keys", description="The most recent first.")
async def list_keys(keys: Keys, actor: Reader) -> list[PublicKeyView]:
    return [PublicKeyView.model_validate(key) for key in await keys.of(actor)]


@router.post(
    "/account/keys",
    status_code=201,
    summary="Add a public key",
    description="For the SSH front door. A key that a token adds ends with that token.",
)
async def add_key(wanted: NewKey, keys: Keys, actor: Connecting) -> PublicKeyView:
    return PublicKeyView.model_validate(await keys.add(actor, wanted.key, title=wanted.title))


@router.delete(
    "/account/keys/{key}",
    status_code=204,
    summary="Remove a public key",
    description="Closes what is open by it. A token removes only keys that it added.",
)
async def remove_key(
    key: Annotated[str, Path(description="id, fingerprint or title of the key")], keys: Keys, actor: AnyActor
) -> None:
    await keys.remove(actor, key)


@router.post(
    "/account/ssh-certificates",
    status_code=201,
    summary="Certify a public key",
    description="For the SSH front door, for hours: by the certificate the key's holder is known as oneself.",
)
async def create_certificate(wanted: NewCertificate, keys: Keys, actor: Connecting) -> CertificateView:
    issued = await keys.certify(actor, wanted.key, hours=wanted.hours)
    return CertificateView(certificate=issued.text, serial=str(issued.value.serial), expires=issued.value.expires)


@router.get(
    "/ssh/authority",
    summary="Show the SSH front door's authority",
    description="What a client needs to know the front door for sure. Needs no sign-in.",
)
async def get_ssh_authority(services: Wiring) -> AuthorityView:
    settings = services.settings
    return AuthorityView(
        host=settings.ssh_names[0],
        port=settings.ssh_port,
        names=list(settings.ssh_names),
        known_hosts=services.keys.known_hosts(settings.ssh_names, settings.ssh_port),
    )
