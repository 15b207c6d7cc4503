"""Releases of an entry, as they change: a release never does, so a changed one becomes another."""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from specola.domain.errors import InvalidError
from specola.domain.reference import ImageReference
from specola.domain.software import Release

__all__ = ["merged", "unique_version"]


def merged(
    known: Sequence[Release], wanted: Sequence[Release], *, listed: bool, finished: Callable[[Release], Release]
) -> tuple[Release, ...]:
    """Return an entry's releases after a definition was saved, the current one first.

    Parameters
    ----------
    known
        The releases before; empty for another entry.
    wanted
        The releases that the definition names, in its order, each with a version or "".
    listed
        The definition has them under `releases:`, so a known one that is not named goes. Otherwise it names the
        current one only, and the others stay behind it.
    finished
        Gives a release that is added its id and time.

    Returns
    -------
    tuple[Release, ...]
        Known releases are the same values as before, with the same ids.
    """
    result: list[Release] = []
    taken = {one.version for one in known}
    for release in wanted:
        same = next((one for one in known if _is_same(one, release)), None)
        if same is None:
            version = unique_version(release.version or _usual_version(release), taken)
            taken.add(version)
            result.append(finished(replace(release, version=version)))
            # The one that was changed stays, behind what came of it.
            same = next((one for one in known if one.version == release.version), None)
        if same is not None and same not in result:
            result.append(same)
    if not listed:
        result += [one for one in known if one not in result]
    return tuple(result)


def unique_version(version: str, taken: Collection[str]) -> str:
    """Return `version`, or with the first number behind it that makes it unlike all of `taken`."""
    if version not in taken:
        return version
    number = 2
    while f"{version}-{number}" in taken:
        number += 1
    return f"{version}-{number}"


def _usual_version(release: Release) -> str:
    try:
        reference = ImageReference.parse(release.image)
    except InvalidError:
        return "1"
    if reference.tag:
        return reference.tag[:60]
    return reference.digest.rpartition(":")[2][:12] or "1"


def _is_same(known: Release, wanted: Release) -> bool:
    """Tell whether a known release is what is wanted: the same content, under that version or one made of it."""
    usual = wanted.version or _usual_version(wanted)
    of_that_version = re.fullmatch(rf"{re.escape(usual)}(-\d+)?", known.version) is not None
    return of_that_version and _content(known) == _content(wanted)


def _content(release: Release) -> Release:
    return replace(release, id="", version="", digest=None, created=None)
