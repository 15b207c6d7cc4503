"""`specola run`: starts software or any image, and waits for it, telling what happens."""

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click
from typing_extensions import override

from specola.cli import output
from specola.cli.client import Client, connected, part
from specola.cli.failures import AnsweredError, TaskFailedError
from specola.cli.progress import Teller, teller
from specola.cli.tasks import FINAL, address_of, log_lines, print_task, show_address
from specola.domain.durations import format_duration, parse_duration
from specola.domain.errors import ImageUnknownError, MissingError, PlatformUnreachableError, WaitError
from specola.domain.sizes import parse_size
from specola.domain.software import HomeAccess

__all__ = ["COMMANDS"]

LAST_LINES = 20
RETRY_SECONDS = 1.0
# Longer than the platform's signs of life are apart.
SILENCE_SECONDS = 40.0


class Size(click.ParamType[int]):
    """A size such as 4GiB."""

    name = "size"

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        return value if isinstance(value, int) else parse_size(value)


class Pair(click.ParamType[tuple[str, str]]):
    """NAME=VALUE."""

    name = "K=V"

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        name, equals, text = str(value).partition("=")
        if not name or not equals:
            self.fail(f"“{value}” is not NAME=VALUE", param, ctx)
        return name, text


class Duration(click.ParamType[str]):
    """A duration such as 2h30m, checked here and sent as it is written."""

    name = "time"

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return format_duration(parse_duration(str(value)))


class Gpus(click.ParamType[tuple[int, str]]):
    """How many GPUs, and of which model: 2, or a100:2."""

    name = "[model:]n"

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, str]:
        if isinstance(value, tuple):
            return value
        model, _, count = str(value).rpartition(":")
        if not (count.isascii() and count.isdigit()):
            self.fail(f"“{value}” is not a number of GPUs, as 2, or with a model, as a100:2", param, ctx)
        return int(count), model


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked for on the command line."""

    what: str
    wish: Mapping[str, Any]
    wait: float
    show: bool
    as_json: bool


@click.command("run")
@click.argument("what", metavar="SOFTWARE|IMAGE")
@click.option("--name", help="A name of your own for the task.")
@click.option("--on", "computing", metavar="COMPUTING", help="Where; else the default computing.")
@click.option("--release", help="Version of the software; else the current one.")
@click.option("--cpus", type=float, help="Cores, fractions allowed.")
@click.option("--memory", type=Size(), help="For example 4GiB.")
@click.option("--shm", type=Size(), help="Shared memory, for example 256MiB.")
@click.option("--home", type=click.Choice([*HomeAccess]), help="What it may do with your home.")
@click.option("--gpus", type=Gpus(), help="How many; with a model: a100:2.")
@click.option("--time", type=Duration(), help="The longest it may run: 90m, 2h30m, 1-12:00:00.")
@click.option("--partition", help="The part of a cluster it runs in.")
@click.option("--account", "project", help="What its use is booked on there.")
@click.option(
    "--queue-option", "queue_options", type=Pair(), multiple=True, help="More for the scheduler; may be repeated."
)
@click.option("--env", "environment", type=Pair(), multiple=True, help="An environment variable; may be repeated.")
@click.option("--param", "parameters", type=Pair(), multiple=True, help="A parameter's value; may be repeated.")
@click.option("--wait", type=click.FloatRange(min=0), default=0, metavar="SECONDS", help="Wait until it is ready.")
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
@output.json_option
def run(*, what: str, wait: float, show: bool, as_json: bool, **options: Any) -> None:
    """Start SOFTWARE of the catalogue, or any IMAGE.

    A name that the catalogue has is that software; anything else is an image reference.
    """
    gpus = options.pop("gpus")
    wish = {
        name: dict(value) if isinstance(value, tuple) else value
        for name, value in options.items()
        if value is not None and value != ()
    }
    if gpus is not None:
        wish |= {"gpus": gpus[0]} | ({"gpu_model": gpus[1]} if gpus[1] else {})
    started(connected(), Asked(what=what, wish=wish, wait=wait, show=show, as_json=as_json))


def started(client: Client, asked: Asked) -> None:
    """Start a task, wait as long as asked for, and show it.

    Raises
    ------
    TaskFailedError
        It has failed; why is told already.
    WaitError
        It is not ready yet.
    """
    task = request(client, asked)
    if asked.show and not asked.as_json:
        # The address works at once: until the task is ready, it shows how far it is.
        show_address(address_of(task, None))
    if asked.wait:
        with teller(quiet=asked.as_json) as telling:
            task = followed(client, task, seconds=asked.wait, telling=telling)
    if asked.as_json:
        output.print_json(task)
    elif task["state"] != "failed":
        print_task(task)
    if asked.wait or task["state"] == "failed":
        judge(client, task, seconds=asked.wait)


def request(client: Client, asked: Asked) -> Any:
    """Ask for the task, as software first and as an image else; safe to send twice."""
    key = {"Idempotency-Key": uuid.uuid4().hex}
    # Only an image reference has one of these.
    if not set(asked.what) & set("/:@"):
        try:
            client.get(f"/software/{part(asked.what)}")
            return _sent(client, {**asked.wish, "software": asked.what}, key)
        except AnsweredError as error:
            if error.status != 404:
                raise
    try:
        return _sent(client, {**asked.wish, "image": asked.what}, key)
    except AnsweredError as error:
        if error.problem.get("code") == ImageUnknownError.code and "/" not in asked.what:
            raise MissingError(
                "software and no image", asked.what, hint="specola software ls shows what there is."
            ) from error
        raise


def _sent(client: Client, body: Mapping[str, Any], key: Mapping[str, str]) -> Any:
    # Reading an image's details from a far registry takes its time.
    for last in (False, True):
        try:
            return client.call("POST", "/tasks", body=body, headers=key, seconds=120)
        except PlatformUnreachableError:
            if last:
                raise
            time.sleep(RETRY_SECONDS)
    raise AssertionError("one of two tries returns or raises")


def followed(client: Client, task: Mapping[str, Any], *, seconds: float, telling: Teller) -> Mapping[str, Any]:
    """Return the task once it is ready or has ended, or as it is after `seconds`, telling what happens meanwhile."""
    end = time.monotonic() + seconds
    seen = 0
    while not is_settled(task) and (left := end - time.monotonic()) > 0:
        try:
            for kind, value in happenings(client, task["id"], after=seen, seconds=left):
                if kind == "task":
                    task = value
                    if is_settled(task):
                        break
                else:
                    seen = value["sequence"]
                    telling.tell(value)
        except PlatformUnreachableError:
            # The platform may be restarting; the task goes on meanwhile.
            time.sleep(RETRY_SECONDS)
    return task


def happenings(client: Client, task: str, *, after: int, seconds: float) -> Iterator[tuple[str, Any]]:
    """Yield ("event" | "task", value) for at most `seconds`."""
    query = {"follow": True, "after": after, "seconds": seconds}
    for line in client.lines(f"/tasks/{part(task)}/events", query, seconds=SILENCE_SECONDS):
        yield from line.items()


def is_settled(task: Mapping[str, Any]) -> bool:
    """Tell whether there is nothing more to wait for."""
    if task["state"] == "running":
        return all(interface["ready"] for interface in task["interfaces"])
    return task["state"] in FINAL


def judge(client: Client, task: Mapping[str, Any], *, seconds: float) -> None:
    """Fail if the task has failed, or is not ready though it was waited for."""
    state, reason = task["state"], task["reason"]
    if state in {"failed", "stopped"}:
        output.note(
            f"{click.style('Error:', fg='red', bold=True)} “{task['name']}” has {_ended(state)}: {reason['sentence']}"
        )
        if reason["hint"]:
            output.note(click.style(reason["hint"], dim=True))
        for text in _last_lines(client, task["id"]):
            output.note(f"  {text}")
        raise TaskFailedError
    if not is_settled(task):
        raise WaitError(task["name"], state, seconds)


def _ended(state: str) -> str:
    return "failed" if state == "failed" else "been stopped"


def _last_lines(client: Client, task: str) -> Sequence[str]:
    try:
        return [line["text"] for line in log_lines(client, task, tail=LAST_LINES)]
    except (AnsweredError, PlatformUnreachableError):
        # The reason has been told; there is just no log to show beside it.
        return []


COMMANDS: Mapping[str, click.Command] = {"run": run}
