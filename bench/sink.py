"""Asks for one path over and over on one connection, and has the kernel throw the bodies away: `sink.py PORT PATH SECONDS`.

Prints the bytes that came for each second. A reader that copied what it gets would be what is measured: it shares its core
with the server behind.
"""

import re
import socket
import sys
import time

LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n", re.IGNORECASE)
MOST = 4 * 1024 * 1024


def fetch(connection: socket.socket, request: bytes) -> int:
    """Send one request and take its whole answer; returns the bytes of the body."""
    connection.sendall(request)
    head = b""
    while b"\r\n\r\n" not in head:
        part = connection.recv(4096)
        if not part:
            raise RuntimeError("the connection ended")
        head += part
    head, _, begun = head.partition(b"\r\n\r\n")
    found = LENGTH.search(head + b"\r\n")
    if not head.startswith(b"HTTP/1.1 200") or found is None:
        raise RuntimeError(f"not served well: {head!r}")
    length = int(found[1])
    left = length - len(begun)
    nothing = bytearray(MOST)
    while left:
        # tcp(7): with MSG_TRUNC what has come is discarded, not copied.
        came = connection.recv_into(nothing, min(left, MOST), socket.MSG_TRUNC)
        if not came:
            raise RuntimeError("the connection ended within a body")
        left -= came
    return length


def main(port: int, path: str, seconds: float, headers: list[str]) -> None:
    """Fetch until the time is over."""
    request = "\r\n".join([f"GET {path} HTTP/1.1", *headers, "", ""]).encode()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        total, began = 0, time.monotonic()
        while (now := time.monotonic()) - began < seconds:
            total += fetch(connection, request)
        now = time.monotonic()
        print(total / (now - began))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4:])
