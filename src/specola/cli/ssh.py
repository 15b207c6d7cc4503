"""`specola ssh`, `exec`, `cp` and `ssh-config`: OpenSSH's own programs, told how to reach a task."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import click

from specola.cli import output
from specola.cli.client import Client, connected, part
from specola.cli.failures import AnsweredError
from specola.cli.ssh_identity import Door, Identity, quoted, replace
from specola.cli.tasks import pages
from specola.domain.errors import InvalidError, SpecolaError

__all__ = ["COMMANDS"]

REMOTE = re.compile(r"(?P<task>[^/:]+):(?P<path>.*)", re.DOTALL)
DENIED = 403
SFTP_SINCE = (8, 7)
"""The first scp that can be told to use SFTP, which every task has; the old protocol needs scp in the image."""


@click.command("ssh", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("task")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGS…]")
def ssh(task: str, words: tuple[str, ...]) -> None:
    """Open a shell in TASK by OpenSSH's ssh; ARGS go to it, such as -L 8080:localhost:8888."""
    client = connected()
    door = _door(client)
    _become(["ssh", *Identity().words(door), "-l", _task(client, task), door.host, *_after(words)])


@click.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("-t", "--terminal", is_flag=True, help="Give the command a terminal.")
@click.argument("task")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND…")
def execute(task: str, command: tuple[str, ...], *, terminal: bool) -> None:
    """Run COMMAND in TASK; its outputs stay apart, and its exit code is ours."""
    client = connected()
    # SSH has one line for a shell where we have words: quoted, each of them arrives as it is.
    line = shlex.join(_after(command))
    door = _door(client)
    words = ["-t" if terminal else "-T", "-l", _task(client, task), "--", door.host, line]
    _become(["ssh", *Identity().words(door), *words])


@click.command("cp")
@click.option("-r", "--recursive", is_flag=True, help="Folders with all that is in them.")
@click.option("-p", "--preserve", is_flag=True, help="Keep times and modes.")
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@click.argument("places", nargs=-1, required=True, metavar="SRC… DST")
def copy(places: tuple[str, ...], *, recursive: bool, preserve: bool, quiet: bool) -> None:
    """Copy files to or from tasks; a place in a task is TASK:PATH, from its home if PATH begins with no slash."""
    if len(places) < 2:
        raise InvalidError("Name what to copy, and where to.", hint="For example: specola cp data.fits TASK:data/")
    if not any(map(REMOTE.fullmatch, places)):
        raise InvalidError("None of these is in a task.", hint="Write TASK:PATH for a place in a task.")
    client = connected()
    flags = [flag for flag, wanted in (("-r", recursive), ("-p", preserve), ("-q", quiet)) if wanted]
    if _version() >= SFTP_SINCE:
        flags.append("-s")
    door = _door(client)
    _become(["scp", *Identity().words(door), *flags, "--", *(_place(client, door, place) for place in places)])


@click.command("ssh-config")
@click.option("--install", is_flag=True, help="Write it where OpenSSH finds it, once and for all.")
@click.option("--refresh", is_flag=True, hidden=True)
def ssh_config(*, install: bool, refresh: bool) -> None:
    """Print what makes `ssh specola-TASK` work, for ~/.ssh/config, with host keys always checked."""
    identity = Identity()
    if refresh:
        _refresh(identity)
        return
    client = connected()
    door = Door.of(client)
    identity.ensure(client, door)
    block = identity.block(door)
    if not install:
        click.echo(block, nl=False)
        return
    identity.write(identity.config, block)
    identity.write_tasks(pages(client, {"live": True, "most": 200}))
    changed = _include(Path.home() / ".ssh" / "config", identity.config)
    output.note(f"Included in {changed}." if changed else "It was included already; it is up to date.")
    click.echo(f"Now: ssh specola-TASK   (or: ssh TASK@{door.host} -p {door.port})")


def _refresh(identity: Identity) -> None:
    """Bring aliases and certificate up to date while ssh waits; what is there is good enough if that fails."""
    try:
        client = connected()
        identity.ensure(client, Door.of(client))
        identity.write_tasks(pages(client, {"live": True, "most": 200}))
    except (SpecolaError, AnsweredError) as error:
        output.note(f"specola: {error}")


def _include(config: Path, ours: Path) -> Path | None:
    """Have OpenSSH's configuration include ours, before anything else in it; None: it does."""
    line = f"Include {quoted(ours)}"
    # A link may lead to a folder of configurations that is kept elsewhere: it stays one.
    file = Path(os.path.realpath(config))
    present = file.read_text(encoding="utf-8") if file.exists() else ""
    if line in present.splitlines():
        return None
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = file.stat().st_mode & 0o777 if file.exists() else 0o600
    replace(file, f"{line}\n\n{present}" if present else f"{line}\n", mode=mode)
    return config


def _after(words: Sequence[str]) -> Sequence[str]:
    """Return words without the mark that parts them from our own."""
    return words[1:] if words[:1] == ("--",) else words


def _door(client: Client) -> Door:
    """Return where the front door is, having made sure of a certificate for it."""
    door = Door.of(client)
    Identity().ensure(client, door)
    return door


def _task(client: Client, name: str) -> str:
    """Return the id of a task; a token that may not look at tasks leaves the name to the front door."""
    try:
        found: str = client.get(f"/tasks/{part(name)}")["id"]
    except AnsweredError as error:
        if error.status != DENIED:
            raise
        return name
    return found


def _place(client: Client, door: Door, place: str) -> str:
    remote = REMOTE.fullmatch(place)
    if remote is None:
        return place
    return f"{_task(client, remote['task'])}@{door.host}:{remote['path']}"


def _version() -> tuple[int, ...]:
    """Return the version of OpenSSH that is installed."""
    program = _found("ssh")
    told = subprocess.run([program, "-V"], capture_output=True, text=True, check=False).stderr  # noqa: S603 - a list
    numbers = re.match(r"OpenSSH_(\d+)\.(\d+)", told)
    return (int(numbers[1]), int(numbers[2])) if numbers else (0,)


def _found(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise InvalidError(
            f"OpenSSH's program “{program}” is not installed.", hint="On Debian: apt install openssh-client"
        )
    return path


def _become(argv: Sequence[str]) -> NoReturn:
    """Go on as another program, so that its terminal, signals and exit code are nobody's in between."""
    sys.stdout.flush()
    os.execv(_found(argv[0]), list(argv))  # noqa: S606 - no shell, on purpose


COMMANDS: Mapping[str, click.Command] = {"ssh": ssh, "exec": execute, "cp": copy, "ssh-config": ssh_config}
