"""One's own client certificates, by which programs reach tasks at their TLS names."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from specola.api.account_views import CertificateView
from specola.api.dependencies import Connecting, Reader, Wiring

__all__ = ["router"]

router = APIRouter(prefix="/account/certificates", tags=["account"])


class NewCertificate(BaseModel):
    """A certificate to issue; the private key stays where it was made."""

    model_config = ConfigDict(extra="forbid")

    request: str = Field(
        max_length=20_000, description="a certificate signing request (PKCS #10) in PEM; only its key counts"
    )
    hours: float = Field(
        default=8, description="how long it is good: 5 minutes to 24 hours, and no longer than the token"
    )


class IssuedView(BaseModel):
    """A certificate that was just issued."""

    certificate: CertificateView
    pem: str = Field(description="the certificate, and the authority that signed it, in PEM")
    server_root: str | None = Field(
        description="the private authority by which to check the platform's own certificate, in PEM; null: a public one"
    )


@router.post(
    "",
    status_code=201,
    summary="Issue a client certificate",
    description="Signs a key that was made by the client. Ending the session or the token that asked ends the certificate, "
    "and what is connected by it.",
)
async def issue_certificate(wanted: NewCertificate, services: Wiring, actor: Connecting) -> IssuedView:
    issued = await services.certificates.issue(actor, request=wanted.request, hours=wanted.hours)
    return IssuedView(
        certificate=CertificateView.model_validate(issued.value),
        pem=issued.certificate + issued.authority,
        server_root=issued.server_root,
    )


@router.get(
    "", summary="List one's own client certificates", description="Those that have not expired, the latest first."
)
async def list_certificates(services: Wiring, actor: Reader) -> list[CertificateView]:
    return [CertificateView.model_validate(one) for one in await services.certificates.list(actor)]


@router.delete(
    "/{serial}",
    status_code=204,
    summary="Revoke a client certificate",
    description="Ends it at once, with everything that is connected by it.",
)
async def revoke_certificate(
    serial: Annotated[str, Path(description="serial number in hex")], services: Wiring, actor: Connecting
) -> None:
    await services.certificates.revoke(actor, serial)
