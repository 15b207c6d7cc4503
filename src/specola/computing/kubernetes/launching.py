"""The steps from a wish to a pod; a crash between any two is mended by the next launch."""

import asyncio
import contextlib
from typing import Any

from specola.computing.kubernetes.api import Api
from specola.computing.kubernetes.config import KubernetesSettings
from specola.computing.kubernetes.errors import ApiError, refusal
from specola.computing.kubernetes.names import Names, Place
from specola.computing.kubernetes.pod import Plan, check, claim_body, claim_name, pod_body, policy_body, secret_body
from specola.computing.registries import Registry
from specola.domain.computing import Handle, ImageDetails, Launch, Progress
from specola.domain.errors import (
    ImageArchitectureError,
    ImageUnknownError,
    ImageUnreachableError,
    LaunchError,
    RegistryRefusedError,
)
from specola.domain.reference import ImageReference
from specola.domain.software import RunsAs
from specola.ports.computing import Report

__all__ = ["Launcher"]

# A registry that does not answer the platform may answer the cluster.
REGISTRY_SECONDS = 10.0


class Launcher:
    """Starts tasks in one cluster."""

    def __init__(self, *, api: Api, names: Names, settings: KubernetesSettings, registry: Registry) -> None:
        self._api = api
        self._names = names
        self._settings = settings
        self._registry = registry
        self._protected: set[str] = set()

    async def launch(self, launch: Launch, *, version: tuple[int, int], report: Report) -> Handle:
        """Start a task, or find it started.

        1. A pod of this name: whatever became of it, it is not made again; it gets its secret, if it has none.
        2. The image is asked for, home and policy are made or found.
        3. The pod is made; if another launch was quicker, its pod is taken.
        4. The secret with the credential is made as the pod's own; the pod waits for it.
        """
        check(launch, self._settings)
        place = self._names.place(launch.task, launch.owner)
        pod = await self._find(place)
        if pod is None:
            plan = await self._plan(launch, version=version)
            await report(Progress(code="image_ready", sentence="The image is known."))
            await self._protect(place.namespace)
            await self._make_home(launch, place.namespace)
            await report(Progress(code="home_ready", sentence="Home and network are there."))
            pod = await self._make(launch, plan, place)
            await report(Progress(code="created", sentence="The cluster has taken the task."))
        await self._give_credential(launch, place, owner=str(pod["metadata"]["uid"]))
        await report(Progress(code="started", sentence="The pod has its credential."))
        return place.handle

    async def _find(self, place: Place) -> dict[str, Any] | None:
        try:
            return await self._api.get(place.path)
        except ApiError as error:
            if error.is_missing:
                return None
            # Who may not look in one namespace may be welcome in all others.
            raise refusal(error) from error

    async def _plan(self, launch: Launch, *, version: tuple[int, int]) -> Plan:
        reference = ImageReference.parse(launch.reference)
        details = await self._details(reference, launch)
        digest = launch.digest or (details.digest if details else None)
        user = launch.number if launch.user is RunsAs.HOME else self._user_of(details)
        return Plan(
            image=f"{reference.text.partition('@')[0]}@{digest}" if digest else reference.text,
            image_id=details.id if details else None,
            architecture=details.architecture if details else None,
            user=user,
            version=version,
        )

    async def _details(self, reference: ImageReference, launch: Launch) -> ImageDetails | None:
        """Ask the registry what the image is; None: the platform may not, or cannot, and the cluster will find out."""
        wanted = (
            ImageReference.parse(f"{reference.text}@{launch.digest}")
            if (launch.digest and not reference.digest)
            else reference
        )
        try:
            async with asyncio.timeout(REGISTRY_SECONDS):
                details = await self._registry.inspect(wanted, machine=self._settings.architectures[0])
        except (ImageUnreachableError, RegistryRefusedError, TimeoutError):
            return None
        except ImageUnknownError:
            # With a pull secret the cluster may see what the platform does not.
            if self._settings.pull_secrets and reference.registry != "localhost":
                return None
            raise
        if details.architecture not in self._settings.architectures:
            raise ImageArchitectureError(reference.text, (details.architecture,), self._settings.architectures)
        return details

    def _user_of(self, details: ImageDetails | None) -> int | None:
        """Return the number that an image runs as; None: nobody could be asked, and the cluster looks."""
        if details is None:
            return None
        user = details.user.partition(":")[0] or "0"
        if not user.isdecimal():
            if self._settings.allow_root_images:
                return None
            raise LaunchError(
                f"The image runs as “{user}”, and a cluster takes only users that are numbers.",
                hint="Build it with the user's number (USER 1000), or let it run as the home's owner (user: home).",
                code="image_user",
            )
        if int(user) == 0 and not self._settings.allow_root_images:
            raise LaunchError(
                "The image runs as root, which this cluster's tasks must not.",
                hint="Let it run as the home's owner (user: home), or choose an image that has a user of its own; an "
                "administrator can allow root by the setting allow_root_images.",
                code="image_user",
            )
        return int(user)

    async def _protect(self, namespace: str) -> None:
        """Make the policy that keeps other pods out, once for a namespace."""
        if not self._settings.network_policy or namespace in self._protected:
            return
        body = policy_body(self._names.installation, namespace, self._settings)
        await self._ensure(f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies", body)
        self._protected.add(namespace)

    async def _make_home(self, launch: Launch, namespace: str) -> None:
        if launch.home is None or not self._settings.home.create:
            return
        path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
        try:
            await self._api.get(f"{path}/{claim_name(launch.home, self._settings)}")
        except ApiError as error:
            if not error.is_missing:
                raise refusal(error) from error
            await self._ensure(path, claim_body(launch.home, namespace, self._settings))

    async def _ensure(self, path: str, body: dict[str, Any]) -> None:
        try:
            await self._api.post(path, body)
        except ApiError as error:
            if not error.is_taken:
                raise refusal(error) from error

    async def _make(self, launch: Launch, plan: Plan, place: Place) -> dict[str, Any]:
        body = pod_body(launch, plan, self._names, self._settings)
        try:
            return await self._api.post(f"/api/v1/namespaces/{place.namespace}/pods", body)
        except ApiError as error:
            if error.is_taken and (pod := await self._find(place)) is not None:
                return pod
            raise refusal(error) from error

    async def _give_credential(self, launch: Launch, place: Place, *, owner: str) -> None:
        body = secret_body(launch, place, self._names, owner=owner)
        try:
            await self._ensure(f"/api/v1/namespaces/{place.namespace}/secrets", body)
        except LaunchError:
            with contextlib.suppress(ApiError):
                await self._api.delete(place.path, grace=0)
            raise
