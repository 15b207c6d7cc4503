"""Waits: how long tasks stood in a queue, and what that says of the next one like them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from specola.domain.placement import Forecast
from specola.domain.software import Resources

__all__ = ["Expected", "Wait", "expected"]

FEWEST = 3
MOST = 50
ALIKE = 4.0
"""Two sizes are alike if neither is more than so many times the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """How long one task waited between being asked for and its start, and what kind of task it was."""

    took: timedelta
    partition: str | None
    resources: Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """How long `count` earlier tasks waited: half of them at most `median`, nine of ten at most `longest`."""

    count: int
    median: timedelta
    longest: timedelta

    def forecast(self, asked: datetime) -> Forecast:
        """Return when one that was asked for at a moment is expected to start."""
        return Forecast(starts=asked + self.median, source="history", latest=asked + self.longest)


def expected(waits: Iterable[Wait], *, partition: str | None, resources: Resources) -> Expected | None:
    """Return what earlier waits say of one more task.

    Parameters
    ----------
    waits
        Those of one computing, the latest first.
    partition, resources
        Where and how big the next one is: only those of the same partition and of a like size count, the latest 50.

    Returns
    -------
    Expected | None
        None: there are fewer than three of them, which says nothing.
    """
    alike = [one.took for one in waits if one.partition == partition and _is_alike(one.resources, resources)][:MOST]
    if len(alike) < FEWEST:
        return None
    alike.sort()
    return Expected(count=len(alike), median=_share(alike, 0.5), longest=_share(alike, 0.9))


def _share(ordered: Sequence[timedelta], share: float) -> timedelta:
    """Return the shortest of them that so large a share of them did not pass (nearest rank)."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _is_alike(one: Resources, other: Resources) -> bool:
    if (one.gpus > 0) is not (other.gpus > 0):
        return False
    pairs = ((one.cpus, other.cpus), (one.memory, other.memory))
    return all(max(pair) <= ALIKE * min(pair) for pair in pairs)
