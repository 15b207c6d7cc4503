"""A lab for benchmarks alone: on a ground of its own, gone when they are done."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lab import kubernetes, registry, slurm, sshhost
from lab.ground import GROUND
from lab.registry import Registry
from lab.root import refusal
from tests.support.images import TEST_IMAGE

__all__ = ["BOX", "GROUND", "box", "own_ground", "refusal"]

OWN = GROUND.with_name("specola-lab-of-bench")
BOX = "specola-test/box:1"


@contextmanager
def own_ground() -> Iterator[Path]:
    """Have a ground that nobody else uses; what was brought up on it is taken down in the end."""
    with ExitStack() as stack:
        for place in (registry, sshhost, slurm, kubernetes):
            stack.callback(place.down, OWN)
        yield OWN


def box(ground: Path) -> tuple[Registry, str]:
    """Bring up the registry of a ground with the test image in it; return it, and the image's whole name."""
    with tempfile.TemporaryDirectory(prefix="specola-bench-") as folder:
        archive = Path(folder) / f"{TEST_IMAGE.id[7:23]}.tar"
        archive.write_bytes(TEST_IMAGE.archive())
        place = registry.up(ground, {BOX: archive})
    return place, next(iter(place.digests))
