"""Blocking work, away from the event loop."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

__all__ = ["in_thread"]

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `work` in a thread and wait for what it returns.

    Notes
    -----
    A thread cannot be stopped: when the caller is cancelled, `work` goes on to its end, and what it returns is lost.
    """
    return await asyncio.to_thread(work, *args, **kwargs)
