"""Offers a port of this machine's loopback on the loopback of lab machines too, as if each had its own.

So an image of the lab's registry has the same name everywhere, and neither side needs a route to the other.
"""

import asyncio
import contextlib
import ctypes
import os
import socket
import sys
from collections.abc import Sequence

LOOPBACK, CHUNK = "127.0.0.1", 65536
# CLONE_NEWNET of setns(2), which Python has from 3.12 on.
NETWORK = 0x40000000


def listener_in(process: int, port: int) -> socket.socket:
    """Return a socket that listens on the loopback of another process's network."""
    system = ctypes.CDLL(None, use_errno=True)
    ours, theirs = (os.open(f"/proc/{one}/ns/net", os.O_RDONLY) for one in ("self", process))
    try:
        if system.setns(theirs, NETWORK) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        try:
            return socket.create_server((LOOPBACK, port))
        finally:
            if system.setns(ours, NETWORK) != 0:
                raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(ours)
        os.close(theirs)


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes one way until they end, and pass the end on."""
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


async def relay(listeners: Sequence[socket.socket], port: int) -> None:
    """Carry every connection to the port here, for ever."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError):
            onward, back = await asyncio.open_connection(LOOPBACK, port)
            with contextlib.closing(back):
                await asyncio.gather(carry(reader, back), carry(onward, writer))

    servers = [await asyncio.start_server(accept, sock=one) for one in listeners]
    await asyncio.gather(*(server.serve_forever() for server in servers))


def main(port: int, processes: Sequence[int]) -> None:
    """Relay from the networks of these processes."""
    asyncio.run(relay([listener_in(process, port) for process in processes], port))


if __name__ == "__main__":
    main(int(sys.argv[1]), [int(one) for one in sys.argv[2:]])
