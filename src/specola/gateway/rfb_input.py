"""Reads what a visitor says to a desktop by RFB: lets through what watching needs, or just sees whether it is used."""

from collections.abc import Callable, Mapping
from typing import Protocol

__all__ = ["Input", "InputError", "Watcher", "Watching"]

MOST_ENCODINGS = 512
LONGEST_FENCE = 64
LONGEST_TEXT = 16 * 1024 * 1024

SET_ENCODINGS = 2
POINTER = 5
CUT_TEXT = 6

# Asked for by a client, these let it say things in other forms: input by key code or with more buttons, sound, power,
# clipboards of several kinds. Whoever only watches has no use for them, and what is not agreed upon is not said.
QEMU_KEYS, QEMU_SOUND, GII, XVP, MORE_BUTTONS = -258, -259, -305, -309, -316
CLIPBOARDS = -1063131698
ACTING_ENCODINGS = frozenset((QEMU_KEYS, QEMU_SOUND, GII, XVP, MORE_BUTTONS, CLIPBOARDS))


class InputError(Exception):
    """What the visitor says is no RFB that is known here."""


class Input(Protocol):
    """What becomes of a visitor's bytes."""

    def feed(self, data: bytes) -> bytes:
        """Return what goes on to the desktop; raises InputError."""

    def take_used(self) -> bool:
        """Tell whether the visitor has acted since this was last asked."""


Measure = Callable[[bytes], int | None]
"""Returns how long the message is that begins there; None: not enough of it has come to know."""


def always(size: int) -> Measure:
    """Return the measure of a message that always has `size` bytes."""
    return lambda _: size


def counted(head: int, at: int, width: int, unit: int, most: int) -> Measure:
    """Return the measure of `head` bytes, in which `width` bytes at `at` count what follows, in `unit` bytes each."""

    def measure(data: bytes) -> int | None:
        if len(data) < head:
            return None
        count = int.from_bytes(data[at : at + width])
        if count > most:
            raise InputError("The viewer sent a message that is too long.")
        return head + count * unit

    return measure


def text_size(data: bytes) -> int | None:
    """Measure text for the clipboard; a negative length is that of an extended form."""
    if len(data) < 8:
        return None
    size = abs(int.from_bytes(data[4:8], signed=True))
    if size > LONGEST_TEXT:
        raise InputError("The viewer sent a text that is too long.")
    return 8 + size


def qemu_size(data: bytes) -> int | None:
    """Measure what QEMU's extensions send: keys, and the wish for sound."""
    if len(data) < 4:
        return None
    if data[1] == 0:
        return 12
    operation = int.from_bytes(data[2:4])
    if data[1] != 1 or operation > 2:
        raise InputError("The viewer sent a message that is not known.")
    return 10 if operation == 2 else 4


SEEING: Mapping[int, Measure] = {
    0: always(20),  # SetPixelFormat
    SET_ENCODINGS: counted(4, 2, 2, 4, MOST_ENCODINGS),
    3: always(10),  # FramebufferUpdateRequest
    150: always(10),  # EnableContinuousUpdates
    248: counted(9, 8, 1, 1, LONGEST_FENCE),  # ClientFence
}
"""What a visitor has to say to see the desktop, by the message's first byte."""

ACTING: Mapping[int, Measure] = {
    4: always(8),  # KeyEvent
    POINTER: always(6),
    CUT_TEXT: text_size,
    250: always(4),  # xvp: shut down, start again
    251: counted(8, 6, 1, 16, 255),  # SetDesktopSize
    255: qemu_size,
}
"""What acts on the desktop or on those who look at it."""


class Watching:
    """Lets through what is needed to see a desktop, and nothing else (RFC 6143, section 7.5; the community's rfbproto).

    Notes
    -----
    What is not known ends the connection, since nothing after it could be understood. At most one short message is
    held; a text for the clipboard is thrown away as it comes.
    """

    __slots__ = ("_held", "_skipped")

    def __init__(self) -> None:
        self._held = b""
        self._skipped = 0

    def take_used(self) -> bool:
        """Never: who looks on does not use."""
        return False

    def feed(self, data: bytes) -> bytes:
        """Return what may go on; raises InputError."""
        data, at, passed = self._held + data, 0, bytearray()
        while True:
            if self._skipped:
                step = min(self._skipped, len(data) - at)
                self._skipped -= step
                at += step
            if at >= len(data):
                break
            kind = data[at]
            seeing = SEEING.get(kind)
            size = measured(seeing or ACTING.get(kind), data[at : at + 16])
            if size is None:
                break
            if seeing is None:
                self._skipped = size
                continue
            if len(data) - at < size:
                break
            message = data[at : at + size]
            passed += without_acting(message) if kind == SET_ENCODINGS else message
            at += size
        self._held = data[at:]
        return bytes(passed)


def measured(measure: Measure | None, data: bytes) -> int | None:
    """Return how long a message is, as its measure has it; raises InputError: there is none."""
    if measure is None:
        raise InputError("The viewer sent a message that is not known.")
    return measure(data)


def without_acting(message: bytes) -> bytes:
    """Return SetEncodings without those that change what input looks like."""
    words = [message[at : at + 4] for at in range(4, len(message), 4)]
    kept = [word for word in words if int.from_bytes(word, signed=True) not in ACTING_ENCODINGS]
    return message[:2] + len(kept).to_bytes(2) + b"".join(kept)


class Watcher:
    """Lets everything through, and sees whether the desktop is used: a key, the pointer, a text.

    Notes
    -----
    An open window that nobody touches asks for pictures all the time, so bytes alone tell nothing. Where a message is
    not known, whatever follows counts as use: better too often than to stop what somebody works with.
    """

    __slots__ = ("_head", "_lost", "_more_buttons", "_skipped", "_used")

    def __init__(self) -> None:
        self._head = b""
        self._skipped = 0
        self._lost = False
        self._more_buttons = False
        self._used = False

    def take_used(self) -> bool:
        """Tell whether there was input since this was last asked."""
        used, self._used = self._used, False
        return used

    def feed(self, data: bytes) -> bytes:
        """Return the same bytes."""
        if self._lost:
            self._used = True
        else:
            try:
                self._look(self._head + data)
            except InputError:
                self._lost = self._used = True
        return data

    def _look(self, data: bytes) -> None:
        at = 0
        while True:
            if self._skipped:
                step = min(self._skipped, len(data) - at)
                self._skipped -= step
                at += step
            if at >= len(data):
                break
            size = self._size(data[at : at + MOST_ENCODINGS * 4 + 4])
            if size is None:
                break
            self._used |= data[at] in ACTING
            self._skipped = size
        self._head = data[at:]

    def _size(self, data: bytes) -> int | None:
        kind = data[0]
        size = measured(SEEING.get(kind) or ACTING.get(kind), data)
        if kind == SET_ENCODINGS and size is not None:
            if len(data) < size:
                return None
            words = (data[at : at + 4] for at in range(4, size, 4))
            self._more_buttons = any(int.from_bytes(word, signed=True) == MORE_BUTTONS for word in words)
        elif kind == POINTER and self._more_buttons:
            # With more than seven buttons a mark in the first byte of them tells that another byte follows.
            return None if len(data) < 2 else 7 if data[1] & 0x80 else size
        return size
