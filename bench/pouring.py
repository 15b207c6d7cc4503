"""A server for tunnels to be measured against: `d` pours, `u` counts what comes, `e` echoes. Prints its port."""

import socket
import threading
from collections.abc import Callable

PIECE = bytes(256 * 1024)


def serve(connection: socket.socket) -> None:
    """Do what the first byte asks for."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    nothing = bytearray(4 * 1024 * 1024)
    with connection:
        try:
            wanted = connection.recv(1)
            if wanted == b"d":
                while True:
                    connection.sendall(PIECE)
            elif wanted == b"u":
                total = 0
                while size := connection.recv_into(nothing, len(nothing), socket.MSG_TRUNC):
                    total += size
                connection.sendall(b"%d" % total)
            elif wanted == b"e":
                while data := connection.recv(65536):
                    connection.sendall(data)
        except OSError:
            return


def serving(serve: Callable[[socket.socket], None]) -> None:
    """Serve every connection in a thread of its own; prints the port."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as made:
        print(made.getsockname()[1], flush=True)
        while True:
            connection, _ = made.accept()
            threading.Thread(target=serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    serving(serve)
