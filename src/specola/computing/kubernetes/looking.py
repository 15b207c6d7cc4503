"""What is looked at inside pods: sockets and use, asked through one helper that stays in each pod."""

import asyncio
import contextlib
from collections.abc import Collection, Mapping
from datetime import datetime

from specola.computing.inside.paths import HELPER
from specola.computing.inside.tables import in_tables
from specola.computing.kubernetes.api import Api
from specola.computing.kubernetes.errors import ApiError, PodGoneError
from specola.computing.kubernetes.names import Place
from specola.computing.kubernetes.session import Session, SessionStream
from specola.domain.computing import Handle, Usage

__all__ = ["Looks", "Sample", "measured"]

# How many pods are asked at the same time, and how long one may take.
WIDTH, PATIENCE = 8, 10.0
MOST = 4 * 1024**2
END = b"\n.\n"
SCRIPT = f"""\
show() {{
    for file; do
        [ -r "$file" ] && echo "== $file" && {HELPER} cat "$file"
    done
}}
while read -r what; do
    case $what in
        ports) show /proc/net/tcp /proc/net/tcp6 ;;
        usage)
            show /proc/net/dev
            cd /sys/fs/cgroup
            show cpu.stat memory.current memory.stat cpuacct/cpuacct.usage cpu,cpuacct/cpuacct.usage \\
                memory/memory.usage_in_bytes memory/memory.stat
            cd /
            ;;
    esac 2>/dev/null
    echo
    echo .
done
"""
COMMAND = (HELPER, "sh", "-c", SCRIPT)
# (moment on the platform's clock, seconds of CPU time)
Sample = tuple[datetime, float]


class Looks:
    """The helpers of one cluster that look; each is started when its pod is first asked, and again if it was ended."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._streams: dict[Handle, SessionStream] = {}
        self._locks: dict[Handle, asyncio.Lock] = {}
        self._width = asyncio.Semaphore(WIDTH)

    async def ask(self, handles: Collection[Handle], what: str) -> dict[Handle, list[str]]:
        """Return the lines that each pod tells; those that do not run, or could not be looked at, are left out."""

        async def one(handle: Handle) -> list[str] | None:
            async with self._width:
                return await self.look(handle, what)

        found = await asyncio.gather(*(one(handle) for handle in handles))
        return {handle: lines for handle, lines in zip(handles, found, strict=True) if lines is not None}

    async def look(self, handle: Handle, what: str) -> list[str] | None:
        """Return the lines that one pod tells; None: it does not run, or could not be looked at."""
        lock = self._locks.setdefault(handle, asyncio.Lock())
        async with lock:
            for _ in range(2):
                stream = self._streams.get(handle)
                is_new = stream is None
                try:
                    async with asyncio.timeout(PATIENCE):
                        stream = stream or await self._start(handle)
                        self._streams[handle] = stream
                        return await _answer(stream, what)
                except (PodGoneError, EOFError, TimeoutError):
                    await self._end(handle)
                    if is_new:
                        self._locks.pop(handle, None)
                        return None
                except ApiError as error:
                    await self._end(handle)
                    if error.status not in {400, 403, 404, 500}:
                        raise
                    return None
        return None

    async def forget(self, handle: Handle) -> None:
        """Give up the helper in a pod that is no more."""
        self._locks.pop(handle, None)
        await self._end(handle)

    async def close(self) -> None:
        """Give all of them up."""
        for handle in list(self._streams):
            await self._end(handle)

    async def _start(self, handle: Handle) -> SessionStream:
        place = Place.of(handle)
        if place is None:
            raise PodGoneError(handle)
        return SessionStream(await Session.start(self._api, place, COMMAND))

    async def _end(self, handle: Handle) -> None:
        if stream := self._streams.pop(handle, None):
            with contextlib.suppress(OSError):
                await stream.close()


async def _answer(stream: SessionStream, what: str) -> list[str]:
    try:
        await stream.write(f"{what}\n".encode())
    except OSError as error:
        raise EOFError from error
    told = b"\n"
    while not told.endswith(END):
        data = await stream.read()
        if not data or len(told) > MOST:
            raise EOFError("the helper ended")
        told += data
    return told[: -len(END)].decode("utf-8", "replace").splitlines()


def listeners_on(lines: Collection[str], port: int) -> list[str]:
    """Return the addresses on which a port is listened to."""
    return sorted(str(where) for where, one in in_tables(lines) if one == port)


def measured(lines: Collection[str], *, at: datetime, before: Sample | None) -> tuple[Usage, Sample] | None:
    """Read what a pod told of its use; CPU use is the difference to the sample `before` (0 without one)."""
    files: dict[str, list[str]] = {}
    for line in lines:
        if line.startswith("== "):
            files[line[3:]] = []
        elif files:
            files[next(reversed(files))].append(line)
    spent, memory = _spent(files), _memory(files)
    if spent is None or memory is None:
        return None
    cpus = 0.0
    if before is not None and (seconds := (at - before[0]).total_seconds()) > 0:
        cpus = max(0.0, (spent - before[1]) / seconds)
    received, sent = _network(files.get("/proc/net/dev", ()))
    return Usage(at=at, cpus=cpus, memory=memory, received=received, sent=sent), (at, spent)


def _spent(files: Mapping[str, Collection[str]]) -> float | None:
    if (micro := _fields(files.get("cpu.stat", ())).get("usage_usec")) is not None:
        return micro / 1e6
    for name in ("cpuacct/cpuacct.usage", "cpu,cpuacct/cpuacct.usage"):
        for line in files.get(name, ()):
            if line.isdecimal():
                return int(line) / 1e9
    return None


def _memory(files: Mapping[str, Collection[str]]) -> int | None:
    """Return the bytes in use without pages of files that the kernel gives up at once, in either version of cgroups."""
    pairs = (("memory.current", "memory.stat"), ("memory/memory.usage_in_bytes", "memory/memory.stat"))
    for total, details in pairs:
        for line in files.get(total, ()):
            if line.isdecimal():
                known = _fields(files.get(details, ()))
                cache = known.get("total_inactive_file", known.get("inactive_file", 0))
                return max(0, int(line) - cache)
    return None


def _fields(lines: Collection[str]) -> dict[str, int]:
    pairs = (line.split() for line in lines)
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}


def _network(lines: Collection[str]) -> tuple[int, int]:
    received = sent = 0
    for line in lines:
        name, colon, rest = line.partition(":")
        fields = rest.split()
        if colon and name.strip() != "lo" and len(fields) > 8:
            received, sent = received + int(fields[0]), sent + int(fields[8])
    return received, sent
