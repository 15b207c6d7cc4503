"""Where the agents of a computing dial out to, as its settings say."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from specola.computing.batch.agent.manifest import Platform
from specola.computing.batch.config import BatchSettings
from specola.computing.batch.enrolment import Enrolment
from specola.domain.errors import InvalidError

__all__ = ["Dialling", "dialling", "platform_of"]


@dataclass(frozen=True, slots=True)
class Dialling:
    """Where agents dial out to, and what makes the secrets by which they are known there."""

    platform: Platform
    enrolment: Enrolment


def dialling(settings: BatchSettings, url: str, data: Path) -> Dialling | None:
    """Return what agents that dial out need; None: they do not. Raises InvalidError, as `platform_of` does."""
    platform = platform_of(settings, url)
    return Dialling(platform, Enrolment.make(data)) if platform else None


def platform_of(settings: BatchSettings, url: str) -> Platform | None:
    """Return where agents dial out to; None: they do not.

    Parameters
    ----------
    url
        The platform's own address.

    Raises
    ------
    InvalidError
        It has no TLS, and is more than this machine.
    """
    if not settings.dials_out:
        return None
    whole = urlsplit(settings.platform_url or url)
    if whole.scheme == "http" and whole.hostname in {"localhost", "127.0.0.1"}:
        # By its number alone: a name could lead elsewhere on another machine.
        return Platform(f"http://127.0.0.1:{whole.port or 80}", settings.proxy, settings.platform_authority)
    if whole.scheme != "https":
        raise InvalidError(
            "Agents dial out to the platform by TLS alone.",
            hint="Give the platform a certificate, or name its https address in platform_url.",
            field="settings.platform_url",
        )
    return Platform(whole.geturl().rstrip("/"), settings.proxy, settings.platform_authority)
