"""The server's side of a WebSocket (RFC 6455) that sends every message back."""

import asyncio
import struct

__all__ = ["echo_frames"]

CLOSE, PING, PONG = 0x8, 0x9, 0xA
MASKED = 0x80
SHORT, MEDIUM = 126, 127


async def echo_frames(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send each frame back unmasked, answer pings, and close when asked to."""
    while True:
        first, second = await reader.readexactly(2)
        payload = await _payload(reader, second)
        opcode = first & 0x0F
        if opcode == PING:
            first = first & 0xF0 | PONG
        if opcode != PONG:
            writer.write(_head(first, len(payload)) + payload)
            await writer.drain()
        if opcode == CLOSE:
            return


async def _payload(reader: asyncio.StreamReader, second: int) -> bytes:
    length = second & 0x7F
    if length == SHORT:
        (length,) = struct.unpack("!H", await reader.readexactly(2))
    elif length == MEDIUM:
        (length,) = struct.unpack("!Q", await reader.readexactly(8))
    mask = await reader.readexactly(4) if second & MASKED else bytes(4)
    data = await reader.readexactly(length)
    whole = (mask * (length // 4 + 1))[:length]
    return (int.from_bytes(data, "big") ^ int.from_bytes(whole, "big")).to_bytes(length, "big")


def _head(first: int, length: int) -> bytes:
    if length < SHORT:
        return bytes((first, length))
    if length < 1 << 16:
        return struct.pack("!BBH", first, SHORT, length)
    return struct.pack("!BBQ", first, MEDIUM, length)
