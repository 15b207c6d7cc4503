"""The agent as one file: its modules, and what it places in containers."""

import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from specola.computing.inside import fileserver
from specola.computing.inside.fileserver import FileServer, readable

__all__ = ["Parcel", "parcel"]

AGENT = Path(__file__).with_name("agent")
INSIDE = Path(fileserver.__file__).parent
SCRIPTS = (Path(__file__).with_name("inside") / "begin", INSIDE / "run", INSIDE / "login")
# The earliest that a zip can say: what is the same has the same bytes.
THEN = (1980, 1, 1, 0, 0, 0)
START = b"#!/usr/bin/env python3\n"
MAIN = b"import sys\n\nfrom agent.main import main\n\nsys.exit(main(sys.argv[1:]))\n"


@dataclass(frozen=True, slots=True)
class Parcel:
    """The content of `agent.pyz`, and its hash, which names its version."""

    content: bytes
    sha256: str


def parcel(*, helper: Path, files: FileServer) -> Parcel:
    """Pack the agent; the same parts give the same bytes.

    Parameters
    ----------
    helper
        The static program that is placed in containers; where it is missing, no command can be run in them.
    files
        The file server; where a part of it is missing, tasks give no access to their files.
    """
    buffer = io.BytesIO(START)
    buffer.seek(0, io.SEEK_END)
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as packed:
        for name, content in sorted(_parts(helper, files)):
            packed.writestr(zipfile.ZipInfo(name, THEN), content, zipfile.ZIP_DEFLATED)
    content = buffer.getvalue()
    return Parcel(content, hashlib.sha256(content).hexdigest())


def _parts(helper: Path, files: FileServer) -> Iterator[tuple[str, bytes]]:
    yield "__main__.py", MAIN
    for module in AGENT.glob("*.py"):
        yield f"agent/{module.name}", module.read_bytes()
    if not readable(helper):
        return
    yield "placed/busybox", helper.read_bytes()
    for script in SCRIPTS:
        yield f"placed/{script.name}", script.read_bytes()
    for name, part in files.parts().items():
        yield f"placed/files/{name}", part.read_bytes()
