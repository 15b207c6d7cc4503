"""Lines out of a byte stream whose other side may be anybody."""

from collections.abc import AsyncIterator

from specola.ports.computing import Stream

__all__ = ["LONGEST", "whole_lines"]

LONGEST = 1024 * 1024
"""Bytes; an agent writes much shorter ones."""


async def whole_lines(stream: Stream) -> AsyncIterator[bytes]:
    """Yield the lines that a stream brings; what follows the last line break is left out.

    Raises
    ------
    ConnectionError
        The stream broke off, or a line is longer than any agent writes: nobody is to fill this process's memory.
    """
    rest = b""
    while data := await stream.read():
        *lines, rest = (rest + data).split(b"\n")
        if len(rest) > LONGEST:
            raise ConnectionResetError("a line that was sent has no end")
        for line in lines:
            yield line
