"""Images for Apptainer: fetched by digest, converted once, kept as one file with what the image says of itself beside."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from .children import Children
from .manifest import Image
from .pipes import Source
from .runtime import Config, StartError
from .status import write_whole

__all__ = ["Progress", "by_digest", "config", "failure", "fetch", "run"]

PAUSE = 0.5
MOST_OUTPUT = 1 << 20
COMPLAINT = re.compile(r"(?:FATAL|ERROR|Error): *(.*)")


@dataclass(frozen=True)
class Progress:
    """How far the fetching of an image is: bytes that have come so far."""

    sentence: str
    done: int


Report = Callable[[Progress], None]


async def fetch(children: Children, program: str, image: Image, target: Path, *, scratch: Path, report: Report) -> None:
    """Make `target` from an image, unless it is there; if somebody else makes it now, wait for that.

    Parameters
    ----------
    scratch
        A folder on a disk with room for several times the image.

    Raises
    ------
    StartError
        It cannot be had.
    """
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    async with _alone(target.with_name(f".{target.name}.lock")):
        if target.exists():
            return
        work = scratch / f"image-{os.getpid()}"
        work.mkdir(mode=0o700)
        try:
            await _make(children, program, image, target, work, report)
        finally:
            shutil.rmtree(work, ignore_errors=True)


async def _make(children: Children, program: str, image: Image, target: Path, work: Path, report: Report) -> None:
    source = f"docker-archive:{image.archive}" if image.archive else f"docker://{by_digest(image)}"
    part = target.with_name(f".{target.name}.{os.getpid()}")
    words = [program, "--nocolor", "build", "--force", *(["--no-https"] if image.insecure else []), str(part), source]
    for name in ("tmp", "cache"):
        (work / name).mkdir()
    environment = {"APPTAINER_TMPDIR": str(work / "tmp"), "APPTAINER_CACHEDIR": str(work / "cache")}
    watching = asyncio.ensure_future(_watch(work, report))
    try:
        code, output = await run(children, words, environment)
        if code != 0:
            raise failure(image, output)
        found = await _describe(children, program, part)
        write_whole(target.with_name(f"{target.name}.json"), json.dumps(found), mode=0o644)
        part.chmod(0o644)
        part.replace(target)
    finally:
        watching.cancel()
        part.unlink(missing_ok=True)


def by_digest(image: Image) -> str:
    """Return an image's name without its tag, with its digest."""
    if not image.digest or "@" in image.reference:
        return image.reference
    head, slash, last = image.reference.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}@{image.digest}"


async def _watch(work: Path, report: Report) -> None:
    """Report how many bytes have come, from time to time."""
    while True:
        await asyncio.sleep(PAUSE)
        report(Progress("Fetching and converting the image", sum(_sizes(work))))


def _sizes(folder: Path) -> Iterator[int]:
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                yield os.lstat(os.path.join(parent, name)).st_size  # noqa: PTH118 -- thousands of them


def failure(image: Image, output: str) -> StartError:
    """Return what a runtime complained of, when an image could not be had."""
    found = COMPLAINT.findall(output)
    text = (found[-1] if found else output.strip()[-300:]).strip()
    if "manifest unknown" in text or "not found" in text:
        return StartError("image_unknown", f"The registry does not know {image.reference}: {text}")
    if "no space left" in text:
        return StartError("no_space", f"There is no room to fetch {image.reference}: {text}")
    return StartError("image_unreachable", f"{image.reference} could not be fetched: {text}")


async def config(children: Children, program: str, target: Path) -> Config:
    """Return what an image says of itself; of one that was not made here, as far as its file has it."""
    beside = target.with_name(f"{target.name}.json")
    if not beside.exists():
        return _read(await _describe(children, program, target))
    return _read(json.loads(beside.read_text(encoding="utf-8")))


def _read(found: Mapping[str, object]) -> Config:
    told = found.get("config")
    return Config.read(told if isinstance(told, dict) else {}, image_id=str(found["id"]) if "id" in found else None)


async def _describe(children: Children, program: str, file: Path) -> dict[str, object]:
    """Find the description among the parts of an image file."""
    if file.is_dir():
        return {}
    code, listed = await run(children, [program, "sif", "list", str(file)], {})
    numbers = re.findall(r"^(\d+) .*JSON\.Generic", listed, re.MULTILINE) if code == 0 else []
    for number in numbers:
        code, text = await run(children, [program, "sif", "dump", number, str(file)], {})
        with contextlib.suppress(ValueError):
            told = json.loads(text)
            if isinstance(told, dict) and "data" not in told:
                return {"config": told}
    return {}


async def run(children: Children, words: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """Run a program of this node to its end; return its exit code and what it wrote."""
    reading, writing = os.pipe()
    with open(os.devnull, "rb") as nothing:
        child = children.start(words, {**os.environ, **environment}, streams=(nothing.fileno(), writing, writing))
    os.close(writing)
    source = await Source.of(reading)
    output = b""
    try:
        while data := await source.read():
            output = (output + data)[-MOST_OUTPUT:]
        return await child.exited, output.decode(errors="replace")
    finally:
        source.close()
        child.signal(signal.SIGKILL)


@contextlib.asynccontextmanager
async def _alone(lock: Path) -> AsyncIterator[None]:
    """Hold a lock that other nodes see too, as far as the file system has them."""
    with lock.open("w", encoding="ascii") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(PAUSE)
        yield
