"""Speaks the beginning of RFB with a desktop in the platform's name, and then relays it to a visitor."""

from enum import Enum, auto
from typing import NamedTuple

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from specola.gateway.rfb_input import Input, InputError, Watcher, Watching

__all__ = ["Desktop", "DesktopError", "Onward", "answer_to"]

VERSION_BYTES = 12
OURS = b"RFB 003.008\n"
FAILED = 0
NONE = 1
PASSWORD = 2
CHALLENGE_BYTES = 16
PASSWORD_BYTES = 8
LONGEST_REASON = 4096
MOST_HELD = 64
SHARED = b"\x01"


class DesktopError(Exception):
    """The connection cannot go on; the text is one sentence for the visitor."""


class Onward(NamedTuple):
    """What is to be written, to the visitor and to the desktop."""

    visitor: bytes = b""
    desktop: bytes = b""


class Stage(Enum):
    """Where a connection is; it moves downwards."""

    DESKTOP_VERSION = auto()
    DESKTOP_TYPES = auto()
    DESKTOP_CHALLENGE = auto()
    DESKTOP_RESULT = auto()
    DESKTOP_REASON = auto()
    """The desktop says why it refuses us; what it says ends the connection."""
    VISITOR_VERSION = auto()
    VISITOR_TYPE = auto()
    VISITOR_BEGIN = auto()
    """The visitor says whether it shares the desktop."""
    RELAYING = auto()


class Desktop:
    """One connection between a visitor and a desktop that speaks RFB 3.3, 3.7 or 3.8 (RFC 6143, section 7).

    Parameters
    ----------
    password
        What the desktop's password may be; of it VNC uses the first 8 bytes.
    view_only
        The visitor may look, and not act.

    Notes
    -----
    1. The desktop is signed in to: by the password, or by none if it wants none. 2. The visitor is offered to come in
    without any. 3. Bytes are relayed. So a visitor never learns the password, nor can it choose the way of signing in.
    The caller writes what each method returns, and closes both sides when one raises DesktopError.
    """

    def __init__(self, *, password: bytes, view_only: bool) -> None:
        self._password = password
        self._view_only = view_only
        self._stage = Stage.DESKTOP_VERSION
        self._from_desktop = b""
        self._from_visitor = b""
        self._minor = 8
        self._visitors_minor = 8
        self._input: Input = Watching() if view_only else Watcher()

    def take_used(self) -> bool:
        """Tell whether the visitor has acted on the desktop since this was last asked."""
        return self._input.take_used()

    def from_desktop(self, data: bytes) -> Onward:
        """Take what the desktop sent; raises DesktopError."""
        if self._stage is Stage.RELAYING:
            return Onward(visitor=data)
        self._from_desktop += data
        onward = self._advance()
        if len(self._from_desktop) > LONGEST_REASON:
            raise DesktopError("The desktop says more than it should before anybody has come in.")
        return onward

    def from_visitor(self, data: bytes) -> Onward:
        """Take what the visitor sent; raises DesktopError."""
        if self._stage is Stage.RELAYING:
            return Onward(desktop=self._filtered(data))
        self._from_visitor += data
        onward = self._advance()
        if len(self._from_visitor) > MOST_HELD:
            raise DesktopError("The visitor says more than it should before the desktop has answered.")
        return onward

    def _advance(self) -> Onward:
        to_visitor, to_desktop = b"", b""
        while self._stage is not Stage.RELAYING:
            step = self._step()
            if step is None:
                break
            to_visitor += step.visitor
            to_desktop += step.desktop
        if self._stage is Stage.RELAYING:
            to_visitor += self._take_desktop(len(self._from_desktop)) or b""
            held, self._from_visitor = self._from_visitor, b""
            to_desktop += self._filtered(held)
        return Onward(to_visitor, to_desktop)

    def _step(self) -> Onward | None:
        """Take the next step; None: what it needs has not come."""
        match self._stage:
            case Stage.DESKTOP_VERSION:
                return self._read_version()
            case Stage.DESKTOP_TYPES:
                return self._read_types()
            case Stage.DESKTOP_CHALLENGE:
                return self._read_challenge()
            case Stage.DESKTOP_RESULT:
                return self._read_result()
            case Stage.DESKTOP_REASON:
                return self._read_reason()
            case Stage.VISITOR_VERSION:
                return self._read_visitors_version()
            case Stage.VISITOR_TYPE:
                return self._read_visitors_type()
            case Stage.VISITOR_BEGIN:
                return self._read_beginning()
            case Stage.RELAYING:
                return None

    def _filtered(self, data: bytes) -> bytes:
        try:
            return self._input.feed(data) if data else b""
        except InputError as error:
            raise DesktopError(str(error)) from error

    def _take_desktop(self, size: int) -> bytes | None:
        if len(self._from_desktop) < size:
            return None
        taken, self._from_desktop = self._from_desktop[:size], self._from_desktop[size:]
        return taken

    def _take_visitor(self, size: int) -> bytes | None:
        if len(self._from_visitor) < size:
            return None
        taken, self._from_visitor = self._from_visitor[:size], self._from_visitor[size:]
        return taken

    # -- with the desktop

    def _read_version(self) -> Onward | None:
        if self._from_desktop[:4] != b"RFB "[: len(self._from_desktop)]:
            raise DesktopError("What answers there is no desktop: it does not speak RFB.")
        greeting = self._take_desktop(VERSION_BYTES)
        if greeting is None:
            return None
        minor = minor_of(greeting)
        if minor is None:
            raise DesktopError("The desktop speaks a version of RFB that nobody knows.")
        self._minor = minor
        self._stage = Stage.DESKTOP_TYPES
        return Onward(desktop=b"RFB 003.%03d\n" % minor)

    def _read_types(self) -> Onward | None:
        # Version 3.3 decides by itself, in four bytes; later ones make an offer.
        if self._minor == 3:
            word = self._take_desktop(4)
            return None if word is None else self._chosen(int.from_bytes(word))
        if not self._from_desktop or len(self._from_desktop) < 1 + self._from_desktop[0]:
            return None
        count = self._take_desktop(1) or b"\0"
        types = self._take_desktop(count[0]) or b""
        if not types:
            return self._chosen(FAILED)
        chosen = NONE if NONE in types else PASSWORD
        if chosen not in types:
            named = ", ".join(str(one) for one in types)
            raise DesktopError(f"The desktop wants to be signed in to in a way that is not known here (types {named}).")
        return self._chosen(chosen)._replace(desktop=bytes((chosen,)))

    def _chosen(self, kind: int) -> Onward:
        if kind == FAILED:
            self._stage = Stage.DESKTOP_REASON
        elif kind == PASSWORD:
            self._stage = Stage.DESKTOP_CHALLENGE
        elif kind != NONE:
            raise DesktopError(f"The desktop wants to be signed in to in a way that is not known here (type {kind}).")
        elif self._minor == 8:
            self._stage = Stage.DESKTOP_RESULT
        else:
            return self._welcome()
        return Onward()

    def _read_challenge(self) -> Onward | None:
        challenge = self._take_desktop(CHALLENGE_BYTES)
        if challenge is None:
            return None
        self._stage = Stage.DESKTOP_RESULT
        return Onward(desktop=answer_to(challenge, self._password))

    def _read_result(self) -> Onward | None:
        word = self._take_desktop(4)
        if word is None:
            return None
        if int.from_bytes(word) == 0:
            return self._welcome()
        if self._minor < 8:
            raise DesktopError("The desktop refuses the task's credential.")
        self._stage = Stage.DESKTOP_REASON
        return Onward()

    def _read_reason(self) -> Onward | None:
        if len(self._from_desktop) < 4:
            return None
        size = int.from_bytes(self._from_desktop[:4])
        if size > LONGEST_REASON - 4:
            raise DesktopError("The desktop refuses the connection.")
        if len(self._from_desktop) < 4 + size:
            return None
        text = self._from_desktop[4 : 4 + size].decode("utf-8", "replace")
        said = "".join(one for one in text if one.isprintable()).strip()
        raise DesktopError(f"The desktop refuses the connection: {said}" if said else "The desktop refuses us.")

    # -- with the visitor

    def _welcome(self) -> Onward:
        self._stage = Stage.VISITOR_VERSION
        return Onward(visitor=OURS)

    def _read_visitors_version(self) -> Onward | None:
        greeting = self._take_visitor(VERSION_BYTES)
        if greeting is None:
            return None
        minor = minor_of(greeting)
        if minor is None:
            raise DesktopError("The visitor does not speak RFB.")
        self._visitors_minor = minor
        if minor == 3:
            self._stage = Stage.VISITOR_BEGIN
            return Onward(visitor=NONE.to_bytes(4))
        self._stage = Stage.VISITOR_TYPE
        return Onward(visitor=bytes((1, NONE)))

    def _read_visitors_type(self) -> Onward | None:
        chosen = self._take_visitor(1)
        if chosen is None:
            return None
        if chosen[0] != NONE:
            raise DesktopError("The visitor chose a way of signing in that was not offered.")
        self._stage = Stage.VISITOR_BEGIN
        return Onward(visitor=bytes(4) if self._visitors_minor == 8 else b"")

    def _read_beginning(self) -> Onward | None:
        shared = self._take_visitor(1)
        if shared is None:
            return None
        self._stage = Stage.RELAYING
        # Whoever may only look must not be able to send the others away.
        return Onward(desktop=SHARED if self._view_only else shared)


def minor_of(greeting: bytes) -> int | None:
    """Return which of the published versions is meant: 3, 7 or 8; None: this is no greeting.

    Some desktops name versions that were never published (3.889, 4.1, 5.0); they speak 3.8.
    """
    numbers = greeting[4:7] + greeting[8:11]
    if not (greeting[:4] == b"RFB " and greeting[7:8] == b"." and greeting[11:] == b"\n" and numbers.isdigit()):
        return None
    version = int(numbers[:3]), int(numbers[3:])
    if version >= (3, 8):
        return 8
    if version[0] < 3:
        return None
    return 7 if version[1] == 7 else 3


def answer_to(challenge: bytes, password: bytes) -> bytes:
    """Return a challenge encrypted by DES with the password as its key (RFC 6143, section 7.2.2).

    Notes
    -----
    VNC takes the bits of each byte of the password in the opposite order. DES with one key is triple DES with three
    equal ones, which is what the library still has.
    """
    key = password[:PASSWORD_BYTES].ljust(PASSWORD_BYTES, b"\0")
    turned = bytes(int(f"{byte:08b}"[::-1], 2) for byte in key)
    cipher = Cipher(TripleDES(turned * 3), modes.ECB())  # noqa: S305 - VNC prescribes it; it guards nothing by itself
    return cipher.encryptor().update(challenge)
