"""The images that a computing of kind `memory` knows, and what a container of each does."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from specola.domain.computing import ImageDetails, Progress

__all__ = ["IMAGES", "Script", "image"]

MIB = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What a container does once it is started.

    Parameters
    ----------
    pulls
        Steps told while the image is fetched, in order.
    held
        Launching waits before the start until `World.let_go` is called.
    lines
        What it writes at once, as (stream, text).
    exit_code
        It ends at once with this code; None: it lives until it is stopped.
    reason, sentence
        What the computing says about such an end ("out_of_memory").
    serves
        Whether it listens on the ports of its interfaces.
    ignores_stop
        It has to be forced.
    """

    pulls: tuple[Progress, ...] = ()
    held: bool = False
    lines: tuple[tuple[str, str], ...] = ()
    exit_code: int | None = None
    reason: str = ""
    sentence: str = ""
    serves: bool = True
    ignores_stop: bool = False


def image(
    reference: str, *, ports: tuple[int, ...] = (8000,), architecture: str = "amd64", cached: bool = True
) -> ImageDetails:
    """Make the details of an image of ours; digest and id follow from the reference."""
    digest = hashlib.sha256(reference.encode()).hexdigest()
    return ImageDetails(
        reference=reference,
        digest=f"sha256:{digest}",
        id=f"sha256:{digest[::-1]}",
        architecture=architecture,
        operating_system="linux",
        ports=ports,
        user="1000",
        command=("serve",),
        environment={"PATH": "/usr/bin:/bin"},
        size=4 * MIB,
        cached=cached,
        source="engine" if cached else "registry",
        architectures=(architecture,),
    )


PULLS = tuple(
    Progress(code="image_pull", sentence="Fetching the image.", done=part * MIB, total=4 * MIB) for part in range(5)
)

IMAGES: Mapping[str, tuple[ImageDetails, Script]] = {
    details.reference: (details, script)
    for details, script in (
        (image("example.test/web:1"), Script(lines=(("stdout", "serving"),))),
        (image("example.test/pulled:1", cached=False), Script(pulls=PULLS, lines=(("stdout", "serving"),))),
        (image("example.test/slow:1", cached=False), Script(pulls=PULLS, held=True)),
        (image("example.test/deaf:1"), Script(serves=False, lines=(("stdout", "thinking"),))),
        (
            image("example.test/exits:1"),
            Script(exit_code=3, serves=False, lines=(("stdout", "starting"), ("stderr", "no such setting"))),
        ),
        (image("example.test/done:1"), Script(exit_code=0, serves=False, lines=(("stdout", "42"),))),
        (
            image("example.test/greedy:1"),
            Script(
                exit_code=137, serves=False, reason="out_of_memory", sentence="It used more memory than it was given."
            ),
        ),
        (image("example.test/stubborn:1"), Script(ignores_stop=True)),
        (image("example.test/arm:1", architecture="arm64"), Script()),
    )
}
