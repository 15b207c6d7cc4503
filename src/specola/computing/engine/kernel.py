"""Whether the kernel ended a container for its memory, where the engine does not tell: the kernel's own messages say so."""

import os
from pathlib import Path

__all__ = ["out_of_memory"]

MESSAGES = Path("/dev/kmsg")
RECORD = 8192


def out_of_memory(container: str, *, messages: Path = MESSAGES) -> bool:
    """Look for an out-of-memory kill in the container's control group, whose name has the container's id.

    Podman leaves `OOMKilled` false, and the control group is gone once a container has ended. False where the messages
    may not be read.

    Parameters
    ----------
    container
        The engine's id of the container, 64 hexadecimal digits.
    messages
        Each read of it gives one record (kernel documentation, `dev-kmsg`).
    """
    mark = container.encode()
    try:
        descriptor = os.open(messages, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return any(b"oom-kill:" in record and mark in record for record in _records(descriptor))
    finally:
        os.close(descriptor)


def _records(descriptor: int) -> list[bytes]:
    records: list[bytes] = []
    while True:
        try:
            record = os.read(descriptor, RECORD)
        except BrokenPipeError:
            # The record was overwritten while we read; the next read goes on with the oldest there is.
            continue
        except OSError:
            return records
        if not record:
            return records
        records.append(record)
