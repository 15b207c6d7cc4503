"""Tunnels to desktops: signed in to by the gateway, and held to looking where a visitor may do no more."""

import asyncio
from collections.abc import Callable

from typing_extensions import override

from specola.gateway.decisions import Lease
from specola.gateway.pipes import TaskPipe
from specola.gateway.rfb import Desktop, DesktopError, Onward
from specola.piping import Early, EndCode, SocketEnd, StreamEnd
from specola.records import Record
from specola.websocket import FrameError, head

__all__ = ["DesktopPipe"]


class DesktopPipe(TaskPipe):
    """A tunnel whose bytes are RFB.

    Notes
    -----
    Pictures count as bytes but not as use, since an open window asks for them by itself; only input does.
    """

    __slots__ = ("desktop",)

    def __init__(
        self,
        *,
        visitor: asyncio.Transport,
        stream: Early,
        lease: Lease,
        record: Record,
        forget: Callable[["TaskPipe"], None],
        desktop: Desktop,
    ) -> None:
        super().__init__(visitor=visitor, stream=stream, lease=lease, record=record, forget=forget)
        self.stream_lost = "The desktop broke off the connection."
        self.desktop = desktop
        self.socket = ViewerEnd(visitor, self)
        self.stream = ScreenEnd(stream.transport, self)
        visitor.set_protocol(self.socket)
        stream.transport.set_protocol(self.stream)

    @override
    def revoke(self) -> None:
        if self._lease.taken_by.startswith("link:"):
            self._refused = "revoked"
            self.close(EndCode.REVOKED, "This link has been taken back.")
        else:
            super().revoke()

    def go_on(self, step: Callable[[bytes], Onward], data: bytes) -> None:
        """Write what follows from bytes of one side; close both where nothing can."""
        try:
            onward = step(data)
        except DesktopError as error:
            self.close(EndCode.FAILED, str(error))
            return
        if onward.desktop:
            self.stream.transport.write(onward.desktop)
        if onward.visitor:
            self.quiet = False
            self.socket.transport.writelines((head(len(onward.visitor)), onward.visitor))


class ViewerEnd(SocketEnd):
    """The end at the visitor's viewer."""

    __slots__ = ()

    pipe: DesktopPipe

    @override
    def took(self, data: bytes | memoryview) -> None:
        if self.said_goodbye:
            return
        if self.ended:
            raise FrameError("Bytes come after their end.")
        pipe = self.pipe
        pipe.meter.received += len(data)
        pipe.go_on(pipe.desktop.from_visitor, bytes(data))
        pipe.record.used |= pipe.desktop.take_used()


class ScreenEnd(StreamEnd):
    """The end at the desktop."""

    __slots__ = ()

    pipe: DesktopPipe

    @override
    def data_received(self, data: bytes) -> None:
        pipe = self.pipe
        pipe.meter.sent += len(data)
        if not pipe.socket.said_goodbye:
            pipe.go_on(pipe.desktop.from_desktop, data)
