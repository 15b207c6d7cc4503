"""The manifest of a task, written from what the platform wants to be started."""

from dataclasses import dataclass

from specola.computing.batch.agent.manifest import Image, Manifest, Mount, Platform, Resources, Storage
from specola.domain.computing import Launch

__all__ = ["Image", "Manifest", "Mount", "Placing", "Platform", "Resources", "Storage", "manifest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placing:
    """What the place of a task adds to the wish.

    Parameters
    ----------
    installation
        The installation's id.
    runtime
        `apptainer` or `podman`.
    home
        Where the person's home is on the shared file system; None: the task gets none.
    scratch
        The folder of the node's own disk or of the site's scratch that the task's scratch folder is made in; empty: the
        node's own.
    sif
        Where the image is, or is to be, converted for Apptainer.
    archive
        Where the image is as an archive.
    insecure
        Whether the image's registry is asked without TLS.
    keep_days
        For how many days converted images are kept that no task uses; 0: for ever.
    network
        `outbound` or `none`.
    grace, warn, kill_wait
        Seconds; see `Manifest`.
    deadline
        When the scheduler ends it, in seconds since 1970, where that is known before.
    storage
        Where Podman keeps what belongs to this task; None: below the task's folder on the node.
    folders
        Where the node's own disk is, as the site says.
    platform
        Where the agent dials out to; None: it does not.
    """

    installation: str
    runtime: str
    home: str | None = None
    scratch: str = ""
    sif: str | None = None
    archive: str | None = None
    insecure: bool = False
    keep_days: float = 0.0
    network: str = "outbound"
    grace: float = 10.0
    warn: float = 0.0
    kill_wait: float = 30.0
    deadline: float | None = None
    storage: Storage | None = None
    folders: tuple[str, ...] = ()
    platform: Platform | None = None


def manifest(launch: Launch, place: Placing) -> Manifest:
    """Return the manifest of a task. The credential is no part of it: that is a file of its own."""
    resources = launch.resources
    home = launch.home
    return Manifest(
        task=launch.task,
        installation=place.installation,
        title=launch.title,
        owner=launch.owner,
        image=Image(
            reference=launch.reference,
            digest=launch.digest,
            id=launch.image_id,
            sif=place.sif,
            archive=place.archive,
            insecure=place.insecure,
            keep_days=place.keep_days,
        ),
        runtime=place.runtime,
        command=launch.command,
        environment=dict(launch.environment),
        user=launch.user.value,
        home=Mount(place.home, home.path, home.read_only) if home is not None and place.home is not None else None,
        scratch=Mount(place.scratch, launch.scratch) if launch.scratch else None,
        resources=Resources(resources.cpus, resources.memory, resources.shm, resources.gpus),
        ports={interface.name: interface.port for interface in launch.interfaces},
        network=place.network,
        grace=place.grace,
        warn=place.warn,
        deadline=place.deadline,
        kill_wait=place.kill_wait,
        pre_stop=launch.pre_stop.command if launch.pre_stop else (),
        pre_stop_time=launch.pre_stop.time.total_seconds() if launch.pre_stop else 0.0,
        capabilities=launch.capabilities,
        storage=place.storage,
        folders=place.folders,
        platform=place.platform,
    )
