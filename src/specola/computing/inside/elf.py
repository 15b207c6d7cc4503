"""What a program for Linux says it needs to be started: its loader and its libraries."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Needs", "made_for", "read"]

# elf(5), for programs of 64 bits with little-endian numbers, as amd64 and arm64 have them.
MAGIC = b"\x7fELF\x02\x01"
HEADER = struct.Struct("<32xQ14xHH")
SEGMENT = struct.Struct("<IIQQQQ")
ENTRY = struct.Struct("<qQ")
MACHINE = struct.Struct("<18xH")
MACHINES = {0x03: "386", 0x28: "arm", 0x3E: "amd64", 0xB7: "arm64", 0xF3: "riscv64"}
LOAD, DYNAMIC, INTERPRETER = 1, 2, 3
END, NEEDED, STRINGS = 0, 1, 5


@dataclass(frozen=True, slots=True)
class Needs:
    """The path of a program's loader (empty for a library), and the names of the libraries it asks for itself."""

    loader: str
    libraries: tuple[str, ...]


def read(program: bytes) -> Needs | None:
    """Read what a program needs, without running any of it; None: that is not a program of a kind we know."""
    try:
        return _read(program) if program.startswith(MAGIC) else None
    except (struct.error, ValueError, StopIteration):
        return None


def made_for(program: bytes) -> str:
    """Return the architecture that a program is made for, in registries' words; empty: it is none that we know."""
    if not program.startswith(b"\x7fELF") or len(program) < MACHINE.size:
        return ""
    return MACHINES.get(MACHINE.unpack_from(program)[0], "")


def _read(program: bytes) -> Needs:
    start, size, count = HEADER.unpack_from(program)
    segments = [SEGMENT.unpack_from(program, start + number * size) for number in range(count)]
    loader = next((_text(program, one[2]) for one in segments if one[0] == INTERPRETER), "")
    dynamic = next((one for one in segments if one[0] == DYNAMIC), None)
    if dynamic is None:
        return Needs(loader, ())
    entries = list(_entries(program[dynamic[2] : dynamic[2] + dynamic[5]]))
    address = next(value for tag, value in entries if tag == STRINGS)
    strings = next(
        address - begin + offset
        for kind, _, offset, begin, _, length in segments
        if kind == LOAD and begin <= address < begin + length
    )
    return Needs(loader, tuple(_text(program, strings + value) for tag, value in entries if tag == NEEDED))


def _entries(table: bytes) -> Iterator[tuple[int, int]]:
    for tag, value in ENTRY.iter_unpack(table[: len(table) // ENTRY.size * ENTRY.size]):
        if tag == END:
            return
        yield tag, value


def _text(program: bytes, at: int) -> str:
    return program[at : program.index(b"\0", at)].decode("ascii")
