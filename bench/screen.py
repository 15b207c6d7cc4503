"""A desktop for the gateway to be measured before: RFB 3.8 without a password, each request for a picture answered. Prints its port."""

import socket

from bench.pouring import serving

VERSION = b"RFB 003.008\n"
INIT = (1280).to_bytes(2) + (800).to_bytes(2) + bytes(16) + (5).to_bytes(4) + b"bench"
REQUEST_BYTES = 10
# One rectangle of 8 by 8 pixels, raw: what a moved pointer changes.
UPDATE = bytes((0, 0, 0, 1)) + bytes.fromhex("0000 0000 0008 0008 00000000") + bytes(8 * 8 * 4)


def exactly(connection: socket.socket, size: int) -> bytes:
    """Read so many bytes; raises OSError where fewer come."""
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise OSError("the viewer has left")
        data += part
    return data


def serve(connection: socket.socket) -> None:
    """Let a viewer in, and show it the same picture again and again (RFC 6143, section 7)."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection:
        try:
            connection.sendall(VERSION)
            exactly(connection, len(VERSION))
            connection.sendall(b"\x01\x01")
            exactly(connection, 1)
            connection.sendall(bytes(4))
            exactly(connection, 1)
            connection.sendall(INIT)
            while True:
                exactly(connection, REQUEST_BYTES)
                connection.sendall(UPDATE)
        except OSError:
            return


if __name__ == "__main__":
    serving(serve)
