"""The log of a task as its agent kept it, read from the shared file system when no agent answers any more."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from specola.computing.batch.accounts import Account
from specola.computing.batch.lines import whole_lines
from specola.computing.batch.names import LOG
from specola.domain.computing import LogLine
from specola.domain.errors import ComputingUnreachableError
from specola.domain.task import TaskId

__all__ = ["kept_lines", "read_line"]

# A script of ours alone: the older file first, if there is one, and the last lines where they are asked for.
READ = """
cd "$1" 2>/dev/null || exit 0
if [ "$3" = all ]; then cat "$2.1" "$2"; else cat "$2.1" "$2" | tail -n "$3"; fi 2>/dev/null
exit 0
"""


async def kept_lines(account: Account, task: TaskId, *, tail: int | None, after: int = 0) -> AsyncIterator[LogLine]:
    """Yield the lines that were kept, oldest first, without the first `after`; none if there is no log."""
    most = "all" if tail is None else str(tail)
    stream = await account.host.open(["sh", "-c", READ, "read", account.paths.task(task), LOG, most])
    try:
        async for line in whole_lines(stream):
            if (told := read_line(line)) is None:
                continue
            if after > 0:
                after -= 1
                continue
            yield told
    except OSError as error:
        raise ComputingUnreachableError(account.name, str(error)) from error
    finally:
        await stream.close()


def read_line(line: bytes) -> LogLine | None:
    """Return a line as the agent keeps it, [time, output, text]; None: it is not one."""
    try:
        at, channel, text = json.loads(line)
        return LogLine(at=datetime.fromtimestamp(float(at), UTC), stream=str(channel), text=str(text))
    except (ValueError, TypeError, OverflowError, OSError):
        return None
