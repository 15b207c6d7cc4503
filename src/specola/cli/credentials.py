"""Which platform this machine is signed in to, and by which token."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from specola.domain.errors import InvalidError, UnauthenticatedError

__all__ = ["Credentials", "clean_url", "forget", "load", "save"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A platform's address and a personal token for it."""

    url: str
    token: str = field(repr=False)


def clean_url(text: str) -> str:
    """Return the address of a platform without a slash at the end. Raises InvalidError."""
    text = text.strip().rstrip("/")
    split = urlsplit(text)
    if split.scheme not in {"http", "https"} or not split.hostname or split.path or split.query or split.username:
        raise InvalidError(
            f"“{text}” is not the address of a platform.", hint="Give it as https://HOST or http://localhost:8080."
        )
    return text


def file() -> Path:
    """Return where the credentials are kept."""
    base = os.environ.get("XDG_CONFIG_HOME") or ""
    folder = Path(base) if base.startswith("/") else Path.home() / ".config"
    return folder / "specola" / "credentials.json"


def load() -> Credentials:
    """Return what SPECOLA_URL and SPECOLA_TOKEN say, else what `specola login` kept.

    A kept token is only ever sent to the platform that it was kept for.

    Raises
    ------
    UnauthenticatedError
        This machine is not signed in.
    InvalidError
        The kept file cannot be read, or others can read it.
    """
    kept = _kept()
    wanted = os.environ.get("SPECOLA_URL", "")
    url = clean_url(wanted) if wanted else (kept.url if kept else "")
    token = os.environ.get("SPECOLA_TOKEN", "").strip() or (kept.token if kept and kept.url == url else "")
    if not url or not token:
        where = f" to {url}" if url else " to a platform"
        raise UnauthenticatedError(
            f"This machine is not signed in{where}.",
            hint=f"Run: specola login {url or 'URL'}   (or set SPECOLA_URL and SPECOLA_TOKEN)",
        )
    return Credentials(url=url, token=token)


def _kept() -> Credentials | None:
    path = file()
    try:
        with path.open(encoding="utf-8") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            value = json.load(opened)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InvalidError(f"{path} cannot be read: {error}.", hint="Sign in again: specola login URL") from error
    if mode & 0o077:
        raise InvalidError(f"Others may read {path}.", hint=f"Run: chmod 600 {path}   and revoke the token if in doubt")
    match value:
        case {"url": str(url), "token": str(token)}:
            return Credentials(url=url, token=token)
        case _:
            raise InvalidError(f"{path} does not hold credentials.", hint="Sign in again: specola login URL")


def save(credentials: Credentials) -> Path:
    """Keep credentials where only this user can read them, and return where."""
    path = file()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        json.dump({"url": credentials.url, "token": credentials.token}, out, indent=2)
        out.write("\n")
    draft.replace(path)
    return path


def forget() -> bool:
    """Remove kept credentials; tell whether there were any."""
    try:
        file().unlink()
    except FileNotFoundError:
        return False
    return True
