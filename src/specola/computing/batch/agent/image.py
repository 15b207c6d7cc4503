"""The verb `image`: one image is fetched and converted into a folder, by a job of its own."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from . import images, places
from .apptainer import NAMES
from .children import Children
from .manifest import Image
from .runtime import StartError, lookup
from .status import write_whole

__all__ = ["REQUEST", "RESULT", "fetch"]

REQUEST, RESULT = "image.json", "image.sif"


async def fetch(folder: Path) -> int:
    """Do what `image.json` in a folder asks for; tell in `status.json` how it goes. Return an exit code.

    The request has an `image`, as a manifest has it, and `scratch`, where there is room (empty: the node's own disk).
    """
    asked = json.loads((folder / REQUEST).read_text(encoding="utf-8"))
    image = Image(**{name: value for name, value in asked["image"].items() if name in Image.__dataclass_fields__})

    def tell(phase: str, **facts: Any) -> None:
        write_whole(folder / "status.json", json.dumps({"version": 1, "phase": phase, "at": time.time(), **facts}))

    def report(progress: images.Progress) -> None:
        tell("pulling", sentence=progress.sentence, done=progress.done)

    program = lookup(*NAMES)
    if program is None:
        tell("ended", reason="runtime_missing", sentence="This node has no Apptainer.")
        return 1
    try:
        tell("pulling", sentence="It begins", done=0)
        scratch = places.disk_for(
            f"specola-image-{folder.name[:32]}", [asked["scratch"]] if asked.get("scratch") else []
        )
        try:
            await images.fetch(Children(), program, image, folder / RESULT, scratch=scratch, report=report)
        finally:
            places.remove(scratch)
    except (StartError, places.PlaceError, OSError) as error:
        code = error.code if isinstance(error, StartError) else "image_failed"
        tell("ended", reason=code, sentence=str(error))
        return 1
    tell("ready", sentence="It is here", done=(folder / RESULT).stat().st_size)
    return 0
