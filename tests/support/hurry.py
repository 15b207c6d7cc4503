"""A worker in a hurry, and the patience of those who wait for it: on a busy machine everything may stand still for seconds."""

from dataclasses import replace
from datetime import timedelta

from specola.worker.timing import Timing

__all__ = ["HASTY", "PATIENCE", "QUICK"]

PATIENCE = 60.0
"""Seconds after which something that has not come about never will."""

QUICK = Timing(
    lease=timedelta(seconds=30),
    renew=1.0,
    poll=0.2,
    sweep=0.5,
    ready=timedelta(seconds=30),
    grace=timedelta(seconds=0.1),
    report=0.05,
    back_off=0.02,
    most_back_off=0.1,
)
HASTY = replace(QUICK, ready=timedelta(seconds=0.5))
"""For what never gets ready."""
