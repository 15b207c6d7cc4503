"""Converted images on the shared file system: each made once per digest, by a small job of its own."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from specola.computing.batch.accounts import Account
from specola.computing.batch.agent.manifest import Image
from specola.computing.batch.config import BatchSettings
from specola.computing.batch.names import Names, Paths
from specola.computing.batch.scheduling import Entry, Job, JobState
from specola.domain.accounts import tidy
from specola.domain.durations import parse_duration
from specola.domain.placement import Placement
from specola.domain.sizes import parse_size
from specola.domain.software import Resources

__all__ = ["REQUEST", "SIF", "Shelf", "image_job", "newest", "request_text", "told_of"]

SIF = "image.sif"
REQUEST = "image.json"
GONE_WRONG = "ended"
LONGEST = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """Where one image is, or is to be.

    Parameters
    ----------
    key
        What it is known by: its digest and architecture; two images never share one.
    folder
        A folder of its own.
    """

    key: str
    folder: str

    @classmethod
    def of(cls, paths: Paths, *, digest: str, architecture: str) -> "Shelf":
        """Return the shelf of an image by its digest."""
        key = f"{digest.rpartition(':')[2]}-{architecture}"
        return cls(key=key, folder=f"{paths.images}/{key}")

    @property
    def sif(self) -> str:
        """The converted image; it is there whole, or not at all."""
        return f"{self.folder}/{SIF}"

    @property
    def request(self) -> str:
        """What is to be fetched."""
        return f"{self.folder}/{REQUEST}"

    @property
    def status(self) -> str:
        """How far that is."""
        return f"{self.folder}/status.json"


def image_job(
    account: Account, shelf: Shelf, *, settings: BatchSettings, names: Names, agent: str, where: Placement
) -> Job:
    """Return the job that fetches an image and converts it, in the queue of the task that needs it first."""
    partition = where.partition or settings.partition or None
    project = where.project or settings.project or None
    # What a task's quality of service or reservation allows is the task's own.
    placement = Placement(time=parse_duration(settings.image_time), partition=partition, project=project)
    return Job(
        name=names.image_job(shelf.key),
        command=(settings.python, agent, "image", shelf.folder),
        folder=account.paths.folder,
        output=f"{shelf.folder}/image.out",
        comment="specola: fetches an image",
        resources=Resources(cpus=1.0, memory=parse_size(settings.image_memory)),
        path=settings.path,
        placement=placement,
    )


def request_text(image: Image, *, scratch: str) -> bytes:
    """Return what the job is told, as the file that lies in the image's folder."""
    return json.dumps({"version": 1, "image": asdict(image), "scratch": scratch}, indent=1, sort_keys=True).encode()


def newest(entries: Sequence[Entry]) -> Entry | None:
    """Return the job that fetches an image now, if one does."""
    return next((one for one in entries if one.state is not JobState.ENDED), None)


def told_of(status: Mapping[str, Any] | None) -> str:
    """Return how far the fetching of an image is, in a sentence; empty: nothing was told."""
    if not status:
        return ""
    done, total = status.get("done"), status.get("total")
    sentence = tidy(str(status.get("sentence") or ""), LONGEST)
    if isinstance(done, int) and done > 0 and status.get("phase") != GONE_WRONG:
        of = f" of {total / 1e6:.0f}" if isinstance(total, int) and total else ""
        return f"Its image is being fetched there: {done / 1e6:.0f}{of} MB."
    return sentence if sentence.endswith((".", "!", "?")) or not sentence else f"{sentence}."
