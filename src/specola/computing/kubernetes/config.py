"""Settings of a computing of kind `kubernetes`: how one cluster is reached, and what tasks get there."""

import re
from collections.abc import Mapping
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator, model_validator

from specola.computing.kubernetes.kubeconfig import KubeconfigError, read
from specola.computing.registries.named import RegistryNames
from specola.hosts.config import SHOWN

__all__ = ["HomeSettings", "KubernetesSettings", "PartitionSettings", "Reaching"]

LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
PERSON = "{person}"


class Reaching(StrEnum):
    """How connections come to the ports of a task."""

    INSIDE = "inside"
    """By a relay inside the pod, through the cluster's API: from anywhere, also to a port on the pod's own loopback."""
    DIRECT = "direct"
    """To the pod's own address, where the platform is in the cluster's network; else as above."""


class HomeSettings(BaseModel):
    """Where people's homes are: a claim for each, or folders of one claim that is there."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    claim: str = Field("home-{person}", title="Claim")
    """The name of the claim, for each person or for all."""
    create: bool = Field(default=True, title="Make missing claims")
    folder: str = Field("", title="Folder")
    """The folder in the claim that is the home (`homes/{person}`); empty: all of it."""
    storage_class: str = Field("", title="Storage class")
    """Of claims that are made; empty: the cluster's default."""
    size: str = Field("10Gi", title="Size", pattern=r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|k|M|G|T)?$")
    shared: bool = Field(default=True, title="For several nodes at once")
    """Whether claims that are made are asked for as ReadWriteMany; else a person's tasks all run on one node."""

    @field_validator("folder")
    @classmethod
    def _folder_stays_below(cls, value: str) -> str:
        if value.startswith("/") or ".." in value.split("/"):
            raise ValueError("a folder is named from the top of the claim, without ..")
        return value


class PartitionSettings(BaseModel):
    """A part of the cluster that tasks can be started in."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    node_selector: Mapping[str, str] = Field(default_factory=dict)
    tolerations: tuple[Mapping[str, Any], ...] = ()
    priority_class: str = ""


class KubernetesSettings(BaseModel):
    """How one cluster is reached, and what tasks get there."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    context: str = Field("", title="Context", description="Empty: the kubeconfig's current one.")
    kubeconfig: SecretStr = Field(SecretStr(""), title="Kubeconfig", description="The text of the file.")
    kubeconfig_file: str = Field("", title="Kubeconfig's path", description="On the platform's own host.")
    local: bool = True
    """Whether the API server may be on the platform's own host, or at an address that only its link knows."""
    namespace: str = Field(
        "specola",
        title="Namespace",
        description="{person} stands for the id of whose task it is.",
        json_schema_extra=SHOWN,
    )
    reach: Reaching = Field(Reaching.INSIDE, title="Way to tasks")
    helper_image: str = Field("docker.io/library/busybox:1.36-musl", title="Helper image", json_schema_extra=SHOWN)
    """An image with a static busybox at /bin/busybox, from which each pod takes its helper."""
    file_server: str = "/usr/lib/openssh/sftp-server"
    """OpenSSH's server of files on the platform's host, which is placed in a pod when its files are first wanted."""
    home: HomeSettings = Field(default_factory=HomeSettings)
    scratch_size: str = "20Gi"
    node_selector: Mapping[str, str] = Field(default_factory=dict)
    tolerations: tuple[Mapping[str, Any], ...] = ()
    priority_class: str = ""
    partitions: Mapping[str, PartitionSettings] = Field(default_factory=dict)
    cpu_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """How much of a task's CPUs is set aside for it; it may use all of them while nobody else does."""
    gpu_resource: str = "nvidia.com/gpu"
    gpu_label: str = "nvidia.com/gpu.product"
    """The label of nodes that names the model of their GPUs."""
    pull_secrets: tuple[str, ...] = ()
    service_account: str = "default"
    """Whose name pods run under; its token is never mounted."""
    insecure_registries: RegistryNames = ()
    """The registries that the platform asks without TLS about images, as for engines."""
    architectures: tuple[str, ...] = ("amd64",)
    """Of the nodes, where the platform may not look at them itself."""
    allow_root_images: bool = False
    """Whether an image may run as root, which the restricted profile of Pod Security forbids."""
    network_policy: bool = True
    """Whether a policy keeps other pods from connecting to tasks; its network has to enforce policies."""
    admitted: tuple[IPv4Network | IPv6Network, ...] = ()
    """Whose connections that policy admits all the same: the platform's own, with `reach: direct`."""
    grace: Annotated[int, Field(ge=1, le=3600)] = 10
    """Seconds between the request to end and the force, in a stop, an eviction and at the time limit."""
    answer: Annotated[float, Field(gt=0)] = 20.0
    """Seconds to wait for an answer where the caller has no budget of its own."""

    @field_validator("namespace")
    @classmethod
    def _namespace_is_a_label(cls, value: str) -> str:
        if not LABEL.fullmatch(value.replace(PERSON, "a")) or len(value) > 40:
            raise ValueError("a namespace has up to 40 lower-case letters, digits and hyphens, and {person}")
        return value

    @field_validator("kubeconfig")
    @classmethod
    def _kubeconfig_can_be_read(cls, value: SecretStr, known: ValidationInfo) -> SecretStr:
        if text := value.get_secret_value():
            try:
                read(text, context=known.data.get("context", ""), inline=True)
            except KubeconfigError as error:
                raise ValueError(str(error)) from None
        return value

    @model_validator(mode="after")
    def _kubeconfig_is_said_once(self) -> Self:
        if self.kubeconfig.get_secret_value() and self.kubeconfig_file:
            raise ValueError("give the kubeconfig itself or the path of one, not both")
        return self

    @property
    def is_spread(self) -> bool:
        """Whether people's tasks are in namespaces of their own."""
        return PERSON in self.namespace
