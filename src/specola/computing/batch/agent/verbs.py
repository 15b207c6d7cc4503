"""The verbs that do more than carry bytes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from . import places
from .aging import age
from .calling import call
from .children import Children
from .image import fetch
from .manifest import Manifest
from .probe import probe
from .runtime import ours
from .serving import Serving
from .sweep import guard, sweep
from .task import Task

USAGE = "run TASKFOLDER | relay SOCKETFOLDER | call TASKFOLDER SOCKETFOLDER | image IMAGEFOLDER | probe | sweep FOLDER"
CALLS, AGAIN = "calls.log", 2.0
__all__ = ["main"]


def main(words: list[str]) -> int:
    """Do what the command line says; return an exit code."""
    verb, *rest = words or [""]
    if verb == "run" and len(rest) == 1:
        return _run(Path(rest[0]))
    if verb == "call" and len(rest) == 2:
        return asyncio.run(call(Path(rest[0]), Path(rest[1])))
    if verb == "image" and len(rest) == 1:
        os.umask(0o077)
        return asyncio.run(fetch(Path(rest[0])))
    if verb == "probe" and not rest:
        print(json.dumps(probe()))  # noqa: T201 -- that is what it is asked for
        return 0
    if verb == "sweep" and len(rest) == 1:
        print(json.dumps({"swept": sweep(Path(rest[0]).name)}))  # noqa: T201 -- see above
        return 0
    sys.stderr.write(f"usage: agent.pyz {USAGE}\n")
    return 2


def _run(folder: Path) -> int:
    os.umask(0o077)
    folder = folder.expanduser().resolve()
    manifest = Manifest.read((folder / "manifest.json").read_text(encoding="utf-8"))
    sweep(manifest.installation)
    if manifest.image.sif and manifest.image.keep_days:
        age(Path(manifest.image.sif).parent.parent, days=manifest.image.keep_days, tasks=folder.parent.parent.parent)
    place = places.make(places.name_of(manifest.installation, manifest.task), manifest.folders)
    guard(place.sockets)
    return asyncio.run(_serve(folder, manifest, place))


async def _serve(folder: Path, manifest: Manifest, place: places.Place) -> int:
    task = Task(folder, manifest, place, Path(sys.argv[0]).resolve())
    server = await Serving(task).listen()
    calling = asyncio.ensure_future(_keep_calling(task.children, folder, place)) if manifest.platform else None
    try:
        return await task.run()
    finally:
        if calling is not None:
            calling.cancel()
        server.close()


async def _keep_calling(children: Children, folder: Path, place: places.Place) -> None:
    """Have a process beside this one keep a connection to the platform: whatever becomes of it, the task goes on."""
    command = (sys.executable, str(Path(sys.argv[0]).resolve()), "call", str(folder), str(place.sockets))
    while True:
        with open(os.devnull, "r+b") as nothing, (folder / CALLS).open("ab") as log:
            streams = (nothing.fileno(), log.fileno(), log.fileno())
            child = children.start(command, ours(os.environ, place), streams=streams)
        await child.exited
        await asyncio.sleep(AGAIN)
