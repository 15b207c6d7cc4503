"""Has a cluster say whether it would take a task, without making one."""

from specola.computing.kubernetes.api import Api
from specola.computing.kubernetes.config import KubernetesSettings
from specola.computing.kubernetes.errors import ApiError, refusal
from specola.computing.kubernetes.names import Names
from specola.computing.kubernetes.pod import Plan, pod_body
from specola.domain.computing import Finding, Launch
from specola.domain.errors import LaunchError
from specola.domain.software import Resources, RunsAs
from specola.domain.task import TaskId

__all__ = ["refused"]

NOBODY = 65534
SMALL = Resources(cpus=0.1, memory=256 * 1024**2)
# Beside what is wrong with the cluster or the record, something may be too full at the moment.
PASSING = frozenset({"quota"})


async def refused(api: Api, names: Names, settings: KubernetesSettings, *, version: tuple[int, int]) -> list[Finding]:
    """Return why the cluster would refuse a small task; nothing where it would take it, or cannot rehearse.

    Everything that decides about pods is asked: quotas, rules for pods, classes and accounts that a record names.
    Whether a machine has room, and the image can be fetched, shows only in earnest.
    """
    launch = Launch(
        task=TaskId("rehearsal"),
        title="Rehearsal",
        owner="nobody",
        reference=settings.helper_image,
        digest=None,
        image_id=None,
        command=("true",),
        environment={},
        resources=SMALL,
        user=RunsAs.HOME,
        home=None,
        number=NOBODY,
        capabilities=(),
        interfaces=(),
        credential="",
    )
    plan = Plan(image=settings.helper_image, image_id=None, architecture=None, user=NOBODY, version=version)
    body = pod_body(launch, plan, names, settings)
    try:
        await api.post(f"/api/v1/namespaces/{names.namespace}/pods", body, [("dryRun", "All")])
    except ApiError as error:
        told = refusal(error)
        # What does not know of rehearsals breaks them off, and says nothing of tasks.
        if not isinstance(told, LaunchError) or "dry run" in error.message:
            return []
        return [
            Finding(
                code="pod_refused",
                sentence=f"It would take no task now. {told.sentence}",
                hint=told.hint,
                serious=told.reason_code not in PASSING,
            )
        ]
    return []
