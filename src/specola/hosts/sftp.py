"""Files of an account on a host, by SFTP: read whole, and written whole or not at all."""

import asyncio
import contextlib
import errno
import posixpath
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncssh

from specola.domain.errors import ComputingUnreachableError
from specola.hosts.paths import at_home
from specola.hosts.pool import NotGrantedError, Pool

__all__ = ["NoSftpError", "SftpFiles"]

CLOSED = 0o700
CLOSE_SECONDS = 5.0


class NoSftpError(Exception):
    """A host offers no SFTP, or something of its own talks into it."""


class SftpFiles:
    """Reads and writes an account's files; relative paths, and those with `~`, begin in its home."""

    def __init__(self, computing: str, pool: Pool) -> None:
        self._computing = computing
        self._pool = pool

    async def read(self, path: str, *, most: int) -> bytes | None:
        """Return a file's content, at most `most` bytes; None: there is none."""
        async with self._session(path) as sftp:
            try:
                async with sftp.open(at_home(path), "rb") as file:
                    content: Any = await file.read(most)
            except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
                return None
        return bytes(content)

    async def write(self, path: str, content: bytes, *, mode: int) -> None:
        """Write a file under another name, have it brought to the disk, and give it its name."""
        where = at_home(path)
        folder, name = posixpath.split(where)
        draft = posixpath.join(folder, f".{name}.{secrets.token_hex(6)}")
        async with self._session(path) as sftp:
            try:
                async with await _made(sftp, draft, folder, mode) as file:
                    await file.write(content)
                    await file.chmod(mode)
                    with contextlib.suppress(asyncssh.SFTPOpUnsupported):
                        await file.fsync()
                try:
                    await sftp.posix_rename(draft, where)
                except asyncssh.SFTPOpUnsupported:
                    # A server that cannot replace a file: there is none of that name for a moment.
                    with contextlib.suppress(asyncssh.SFTPNoSuchFile):
                        await sftp.remove(where)
                    await sftp.rename(draft, where)
            except BaseException:
                with contextlib.suppress(asyncssh.Error, OSError):
                    await sftp.remove(draft)
                raise

    @asynccontextmanager
    async def _session(self, path: str) -> AsyncIterator[asyncssh.SFTPClient]:
        """Have a session while the body runs; what goes wrong in it becomes an error as of a file of this machine."""
        try:
            sftp, slot = await self._pool.borrow(_begin, leave=lambda opened: opened.exit())
        except asyncssh.SFTPConnectionLost as error:
            raise ComputingUnreachableError(self._computing, "the connection broke off") from error
        except (asyncssh.SFTPError, NotGrantedError) as error:
            raise NoSftpError from error
        try:
            yield sftp
        except asyncssh.SFTPConnectionLost as error:
            raise ComputingUnreachableError(self._computing, "the connection broke off") from error
        except asyncssh.SFTPPermissionDenied as error:
            raise PermissionError(errno.EACCES, error.reason, path) from error
        except asyncssh.SFTPError as error:
            raise OSError(errno.EIO, error.reason, path) from error
        except asyncssh.Error as error:
            raise ComputingUnreachableError(self._computing, f"the connection broke off ({error})") from error
        finally:
            sftp.exit()
            try:
                # A host that never says goodbye must not keep whoever asked, who may have given up already.
                async with asyncio.timeout(CLOSE_SECONDS):
                    await sftp.wait_closed()
            except TimeoutError:
                pass
            finally:
                slot.release()


async def _made(sftp: asyncssh.SFTPClient, path: str, folder: str, mode: int) -> asyncssh.SFTPClientFile:
    """Make a file, and its folder only where that is missing: each folder above would cost an answer."""
    # Closed from its first moment on; the wanted mode is set whatever the account's umask is.
    attributes = asyncssh.SFTPAttrs(permissions=0o600 & mode | 0o200)
    try:
        return await sftp.open(path, "xb", attributes)
    except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
        await sftp.makedirs(folder, asyncssh.SFTPAttrs(permissions=CLOSED), exist_ok=True)
        return await sftp.open(path, "xb", attributes)


async def _begin(connection: asyncssh.SSHClientConnection) -> asyncssh.SFTPClient:
    return await connection.start_sftp_client()
