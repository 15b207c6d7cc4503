"""Waits beside other work for the end of a task, or of the right to use it."""

import asyncio
import contextlib
import threading
import time

from specola.cli.client import Client, part
from specola.cli.failures import AnsweredError
from specola.cli.reaching import Target
from specola.cli.tasks import FINAL
from specola.cli.tunnels import Failure, is_final
from specola.domain.errors import PlatformUnreachableError, TaskEndedError

__all__ = ["until_over"]

# Longer than the platform's signs of life are apart.
SILENCE_SECONDS = 40.0
PAUSE_SECONDS = 1.0


async def until_over(client: Client, target: Target) -> Failure:
    """Return why a task can no longer be reached, as soon as that is so.

    Notes
    -----
    The API is asked in a thread of its own, since the client of the command line waits; it is left behind when
    the command ends.
    """
    loop = asyncio.get_running_loop()
    over: asyncio.Future[Failure] = loop.create_future()

    def tell(error: Failure) -> None:
        if not over.done():
            over.set_result(error)

    def follow() -> None:
        error = watch(client, target)
        with contextlib.suppress(RuntimeError):  # the command has ended, and its loop with it
            loop.call_soon_threadsafe(tell, error)

    threading.Thread(target=follow, daemon=True).start()
    return await over


def watch(client: Client, target: Target) -> Failure:
    """Follow a task's history to its end, connecting again wherever that breaks off."""
    path, query = f"/tasks/{part(target.task)}/events", {"follow": True}
    while True:
        try:
            for line in client.lines(path, query, seconds=SILENCE_SECONDS):
                state = line.get("task", {}).get("state")
                if state in FINAL:
                    return TaskEndedError(target.task_name, state)
        except AnsweredError as error:
            if is_final(error):
                return error
        except PlatformUnreachableError:
            pass
        time.sleep(PAUSE_SECONDS)
