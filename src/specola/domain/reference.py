"""Image references: registry, repository, tag and digest, read from what people type."""

import re
from dataclasses import dataclass

from specola.domain.errors import InvalidError

__all__ = ["ImageReference"]

# The grammar is that of the OCI distribution project's `reference` package.
HOST = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
)
COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
LONGEST = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReference:
    """One image as it is named: `quay.io/jupyter/scipy-notebook:2026-10-01`. `registry` "" means the engine's default."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> "ImageReference":
        """Read a reference, with or without a `docker://` in front.

        Raises
        ------
        InvalidError
            It is not one; the sentence names the part at fault.
        """
        rest = text.strip().removeprefix("docker://")
        rest, at, digest = rest.partition("@")
        if at and not DIGEST.fullmatch(digest):
            raise _fault(text, "what follows “@” is no digest", "A digest is sha256: and 64 hexadecimal digits.")
        before, colon, tag = rest.rpartition(":")
        if not colon or "/" in tag:
            before, tag = rest, ""
        elif not TAG.fullmatch(tag):
            raise _fault(text, f"“{tag[:40]}” is no tag", "A tag has letters, digits, dots, hyphens and underscores.")
        first, slash, path = before.partition("/")
        named = bool(slash) and ("." in first or ":" in first or first == "localhost" or first.lower() != first)
        registry, repository = (first, path) if named else ("", before)
        if registry and not HOST.fullmatch(registry):
            raise _fault(
                text,
                f"“{registry}” is no registry",
                "Write HOST/PATH:TAG, for example quay.io/jupyter/base-notebook:latest.",
            )
        _check_repository(text, repository)
        return cls(registry=registry, repository=repository, tag=tag, digest=digest)

    @property
    def short_name(self) -> str:
        """The last part of the repository: `scipy-notebook`."""
        return self.repository.rpartition("/")[2]

    @property
    def text(self) -> str:
        """The reference as it is written."""
        text = f"{self.registry}/{self.repository}" if self.registry else self.repository
        return text + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def _check_repository(text: str, repository: str) -> None:
    if not repository:
        raise _fault(text, "the name is missing", "Write NAME:TAG or HOST/PATH:TAG.")
    if len(repository) > LONGEST:
        raise _fault(text, f"the name is longer than {LONGEST} characters", "Write NAME:TAG or HOST/PATH:TAG.")
    for part in repository.split("/"):
        if not COMPONENT.fullmatch(part):
            hint = "Names are lower-case letters and digits, with single dots, underscores or hyphens between them."
            raise _fault(text, f"“{part[:40]}” is no name", hint)


def _fault(text: str, what: str, hint: str) -> InvalidError:
    return InvalidError(f"“{text.strip()[:80]}” is no image reference: {what}.", hint=hint, field="image")
