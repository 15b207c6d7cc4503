"""Secrets at rest: sealed with a key that lies in a file, outside the database."""

import hashlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from specola.domain.errors import KeyFileError, SealError

__all__ = ["Sealer", "hashed", "make_key", "read_key"]

KEY_BYTES = 32
NONCE_BYTES = 12


def hashed(secret: str) -> str:
    """Return the SHA-256, in hex, under which a random secret is kept.

    A plain hash is enough for secrets of 256 random bits: there is nothing to guess. Passwords never come here.
    """
    # "surrogatepass": whatever text arrives has a hash, so that a strange secret is unknown and not an error of ours.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def read_key(path: Path) -> bytes:
    """Return the key in the file `path`.

    Raises
    ------
    KeyFileError
        The file is not there, cannot be read, is no key, or may be read by others.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            key = file.read(KEY_BYTES + 1)
    except OSError as error:
        raise KeyFileError(path, error.strerror or "it cannot be read") from error
    if mode & 0o077:
        raise KeyFileError(path, "others may read it; its mode has to be 0600")
    if len(key) != KEY_BYTES:
        raise KeyFileError(path, f"it does not hold {KEY_BYTES} bytes")
    return key


def make_key(path: Path) -> bytes:
    """Return the key in the file `path`, which is made, with mode 0600, if it is not there.

    Two processes that make it at the same time get the same key: the file appears whole, or not at all.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(file, "wb") as out:
                out.write(os.urandom(KEY_BYTES))
                out.flush()
                os.fsync(out.fileno())
            # A link, unlike a rename, does not replace the key that another process made meanwhile.
            path.hardlink_to(draft)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return read_key(path)


class Sealer:
    """Seals short texts with AES-256-GCM.

    Parameters
    ----------
    key
        32 random bytes.

    Notes
    -----
    Each text is bound to a purpose ("task k3f9x2ab4c"), so that a sealed value copied to another row does not open.
    Nonces are random: at 96 bits a key is good for four billion texts (NIST SP 800-38D, section 8.3).
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(key)}")
        self._cipher = AESGCM(key)

    @classmethod
    def read(cls, path: Path) -> "Sealer":
        """Return a sealer with the key in the file `path`; raises KeyFileError, as `read_key` does."""
        return cls(read_key(path))

    @classmethod
    def make(cls, path: Path) -> "Sealer":
        """Return a sealer with the key in the file `path`, which is made if it is not there."""
        return cls(make_key(path))

    def seal(self, text: str, *, purpose: str) -> bytes:
        """Return `text` sealed; it opens only for the same `purpose`."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, text.encode(), purpose.encode())

    def open(self, sealed: bytes, *, purpose: str) -> str:
        """Return the text that was sealed.

        Raises
        ------
        SealError
            It was sealed with another key, for another purpose, or changed since.
        """
        try:
            text = self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], purpose.encode())
        except (InvalidTag, ValueError) as error:
            raise SealError(purpose) from error
        return text.decode()
