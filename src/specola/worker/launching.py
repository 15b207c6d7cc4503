"""What a computing needs to start one task, made from the record."""

from dataclasses import replace

from specola.domain.computing import HomeMount, Launch
from specola.domain.placeholders import fill
from specola.domain.software import HomeAccess, PreStop, Release
from specola.domain.task import Task

__all__ = ["launch_of"]


def launch_of(task: Task, *, credential: str, number: int) -> Launch:
    """Make the launch of a task.

    Parameters
    ----------
    task
        The record.
    credential
        The task's own random credential.
    number
        The numeric owner of the task owner's files.
    """
    release = task.release
    environment = {**release.environment, **task.environment}
    return Launch(
        task=task.id,
        title=task.title,
        owner=task.owner,
        reference=task.image.reference,
        digest=task.image.digest,
        image_id=task.image.id,
        # A command line is visible to everybody on its machine, so the credential is never filled in there.
        command=tuple(fill(part, credential="{credential}", parameters=task.parameters) for part in release.command),
        environment={
            name: fill(value, credential=credential, parameters=task.parameters) for name, value in environment.items()
        },
        resources=task.resources,
        placement=task.placement,
        pre_stop=_pre_stop(task),
        user=release.user,
        home=_home(release, owner=task.owner, number=number),
        number=number,
        capabilities=release.capabilities,
        interfaces=release.interfaces,
        credential=credential,
        scratch=release.scratch,
        account=task.account,
    )


def _home(release: Release, *, owner: str, number: int) -> HomeMount | None:
    if release.home is None or release.home_access is HomeAccess.NONE:
        return None
    return HomeMount(key=owner, number=number, path=release.home, read_only=release.home_access is HomeAccess.READ)


def _pre_stop(task: Task) -> PreStop | None:
    """Return what runs before its end; like every command line it never holds the credential."""
    pre_stop = task.release.pre_stop
    if pre_stop is None:
        return None
    words = (fill(word, credential="{credential}", parameters=task.parameters) for word in pre_stop.command)
    return replace(pre_stop, command=tuple(words))
