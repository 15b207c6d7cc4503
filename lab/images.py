"""Images of one program, as archives that every engine and registry takes."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping

__all__ = ["one_program"]


def one_program(path: str, program: bytes, reference: str, *, user: str = "") -> bytes:
    """Return an image in the format of `docker save`; the same is made of the same.

    Parameters
    ----------
    path
        Where the program is, without a slash in front; it is also what starts.
    """
    layer = _tar({path: program})
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Entrypoint": [f"/{path}"], "User": user},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        }
    ).encode()
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [reference], "Layers": ["layer.tar"]}]
    return _tar({"layer.tar": layer, name: config, "manifest.json": json.dumps(manifest).encode()})


def _tar(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o755
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
