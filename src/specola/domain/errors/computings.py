"""Failures of images, and of the computings that run them."""

from collections.abc import Sequence

from specola.domain.errors.kinds import Kind, SpecolaError

__all__ = [
    "AccountRefusedError",
    "ComputingUnreachableError",
    "ConnectorUnreachableError",
    "EngineMissingError",
    "HostKeyChangedError",
    "ImageArchitectureError",
    "ImageUnknownError",
    "ImageUnreachableError",
    "MachineUnreachableError",
    "RegistryRefusedError",
]


class ImageUnknownError(SpecolaError):
    """No registry and no engine within reach knows this image."""

    code = "image_unknown"
    kind = Kind.INVALID

    def __init__(self, reference: str, detail: str = "") -> None:
        super().__init__(
            f"There is no image “{reference}”{f': {detail}' if detail else ''}.",
            hint="Check the spelling and the tag; a private image needs a registry account.",
        )
        self.reference = reference


class ImageUnreachableError(SpecolaError):
    """The image is not here and its registry could not be asked."""

    code = "image_unreachable"
    kind = Kind.UNAVAILABLE

    def __init__(self, reference: str, registry: str, detail: str = "") -> None:
        super().__init__(
            f"The registry {registry} of “{reference}” cannot be reached{f' ({detail})' if detail else ''}.",
            hint="Check this machine's network, or choose an image that is here already.",
        )


class RegistryRefusedError(SpecolaError):
    """The registry is, or leads to, where nobody but the operator may have us ask."""

    code = "registry_refused"
    kind = Kind.DENIED

    def __init__(self, registry: str, why: str) -> None:
        super().__init__(
            f"The registry “{registry}” is not asked: {why}.",
            hint="Choose an image of another registry; whoever runs this platform can allow one by naming it in the "
            "engine's setting insecure_registries.",
        )


class ImageArchitectureError(SpecolaError):
    """The image is made for another kind of processor."""

    code = "image_architecture"
    kind = Kind.INVALID

    def __init__(self, reference: str, has: Sequence[str], wanted: Sequence[str]) -> None:
        super().__init__(
            f"“{reference}” is made for {', '.join(has)}; this computing runs {', '.join(wanted)}.",
            hint="Choose a tag made for this architecture, or another computing.",
        )


class ComputingUnreachableError(SpecolaError):
    """A computing did not answer. Nothing was learned, so the last state is kept."""

    code = "computing_unreachable"
    kind = Kind.UNAVAILABLE

    def __init__(self, computing: str, detail: str = "") -> None:
        super().__init__(
            f"The computing “{computing}” does not answer{f': {detail}' if detail else ''}.",
            hint="Your tasks are kept; it is asked again by itself.",
        )


class AccountRefusedError(ComputingUnreachableError):
    """A host does not let an account in; like every failure to ask, this says nothing of the tasks there."""

    code = "account_refused"

    def __init__(self, computing: str, account: str, detail: str = "") -> None:
        super().__init__(computing, f"it does not let the account “{account}” in{f' ({detail})' if detail else ''}")
        self.hint = "Check that the account accepts the platform's key or certificates; its page says how."
        self.account = account
        self.detail = detail


class HostKeyChangedError(ComputingUnreachableError):
    """A host shows another key than the one that was registered: it may be another machine."""

    code = "host_key_changed"

    def __init__(self, computing: str, machine: str, fingerprint: str) -> None:
        super().__init__(computing, f"{machine} shows a host key that is not registered ({fingerprint})")
        self.hint = (
            "If its operators say that the key was renewed, an administrator registers it; until then it is not used."
        )
        self.fingerprint = fingerprint


class MachineUnreachableError(SpecolaError):
    """A machine that was asked for its host keys does not answer."""

    code = "machine_unreachable"
    kind = Kind.UNAVAILABLE

    def __init__(self, address: str, detail: str = "") -> None:
        super().__init__(
            f"No SSH server answers at {address}{f' ({detail})' if detail else ''}.",
            hint="Check the address and the port, and whether this machine may connect there.",
        )


class ConnectorUnreachableError(SpecolaError):
    """The connector, which holds the ways into computings, is not there at the moment."""

    code = "connector_unreachable"
    kind = Kind.UNAVAILABLE

    def __init__(self) -> None:
        super().__init__("The connector is not running at the moment.", hint="Try again in a few seconds.")


class EngineMissingError(SpecolaError):
    """No container engine of this machine answers."""

    code = "engine_missing"
    kind = Kind.UNAVAILABLE

    def __init__(self, tried: Sequence[str]) -> None:
        super().__init__(
            f"No container engine answers (tried {', '.join(tried)}).",
            hint="Install one (apt install podman), start Docker, or name its socket by SPECOLA_ENGINE.",
        )
