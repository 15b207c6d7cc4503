"""`specola ls`, `show`, `logs`, `open`, `stop` and `rm`: tasks that are there."""

import os
import sys
import webbrowser
from collections.abc import Iterator, Mapping
from typing import Any

import click

from specola.cli import output
from specola.cli.client import Client, connected, part
from specola.cli.failures import AnsweredError
from specola.cli.ports import print_ports
from specola.domain.errors import MissingError, WaitError

__all__ = ["COMMANDS", "FINAL", "FOUND", "address_of", "log_lines", "print_task", "show_address"]

LONGEST_WAIT = 60.0
FOUND = "port-"
FINAL = frozenset({"finished", "failed", "stopped"})


def pages(client: Client, query: Mapping[str, Any]) -> Iterator[Any]:
    """Yield tasks page by page."""
    cursor = None
    while True:
        page = client.get("/tasks", {**query, "cursor": cursor})
        yield from page["tasks"]
        cursor = page["cursor"]
        if cursor is None:
            return


@click.command("ls")
@click.option("--all", "everything", is_flag=True, help="Ended tasks too.")
@output.json_option
def list_tasks(*, everything: bool, as_json: bool) -> None:
    """List your tasks, the latest first."""
    tasks = list(pages(connected(), {"live": not everything, "most": 200}))
    if as_json:
        output.print_json(tasks)
        return
    if not tasks:
        output.note("No tasks." if everything else "No live tasks. Start one: specola run SOFTWARE")
        return
    rows = [
        (
            task["name"],
            state_of(task),
            task["title"],
            task["computing"],
            output.age(task["created"]),
            output.ahead(task["deadline"]) if task["state"] not in FINAL else "-",
            " ".join(interface["name"] for interface in task["interfaces"]),
        )
        for task in tasks
    ]
    output.table(("NAME", "STATE", "SOFTWARE", "COMPUTING", "AGE", "LEFT", "INTERFACES"), rows)


@click.command("show")
@click.argument("task")
@output.json_option
def show_task(task: str, *, as_json: bool) -> None:
    """Show one task, by name or id."""
    client = connected()
    found = client.get(f"/tasks/{part(task)}")
    if as_json:
        output.print_json(found)
        return
    print_task(found, use=client.get(f"/tasks/{part(found['id'])}/use"))
    ports = client.get(f"/tasks/{part(found['id'])}/ports")
    if ports:
        click.echo("")
        print_ports(ports)
    events = client.get(f"/tasks/{part(found['id'])}/events")
    click.echo("")
    for event in events[-10:]:
        click.echo(f"{click.style(event['at'][11:19], dim=True)}  {event['sentence']}")


def print_task(task: Mapping[str, Any], *, use: Mapping[str, Any] | None = None) -> None:
    """Print what is known of a task, and of its use."""
    resources, image = task["resources"], task["image"]
    unseen = task["unseen_since"]
    output.facts(
        (
            ("name", task["name"]),
            ("id", task["id"]),
            ("state", f"{state_of(task)}, for {output.age(task['since'])}"),
            ("reason", " ".join(filter(None, (task["reason"]["sentence"], task["reason"]["hint"])))),
            ("its word", task["raw"]),
            ("expected", expected_of(task["forecast"])),
            ("ends", f"in {output.ahead(task['deadline'])}" if task["deadline"] and task["state"] not in FINAL else ""),
            ("use", use_of(use) if use else ""),
            ("not seen", f"for {output.age(unseen)}" if unseen else ""),
            ("software", f"{task['title']}, {task['release']}"),
            ("image", " ".join(filter(None, (image["reference"], image["digest"])))),
            ("computing", f"{task['computing']}, on {task['node']}" if task["node"] else task["computing"]),
            ("account", task["account"] or ""),
            ("size", size_of(resources)),
            ("queue", queue_of(task["placement"])),
            ("page", task["url"]),
        )
    )
    if task["interfaces"]:
        click.echo("")
        rows = [
            (one["name"], one["protocol"], str(one["port"]), "yes" if one["ready"] else "no", one["url"])
            for one in task["interfaces"]
        ]
        output.table(("INTERFACE", "PROTOCOL", "PORT", "READY", "ADDRESS"), rows)

    if use and use["parts"]:
        click.echo("")
        used = [
            (
                one["interface"],
                one["name"] or one["person"],
                output.amount(one["received"]),
                output.amount(one["sent"]),
                f"{output.age(one['last_used'])} ago" if one["last_used"] else "never",
            )
            for one in use["parts"]
        ]
        output.table(("INTERFACE", "WHO", "RECEIVED", "SENT", "LAST USED"), used)


def state_of(task: Mapping[str, Any]) -> str:
    """Return a task's state; one that stands in a queue says so."""
    return click.style("in the queue", fg="bright_black") if task["waits"] else output.state_word(task["state"])


def size_of(resources: Mapping[str, Any]) -> str:
    """Return how big a task is."""
    size = f"{resources['cpus']:g} CPU, {output.size(resources['memory'])}"
    if not resources["gpus"]:
        return size
    return f"{size}, {resources['gpus']} GPU {resources['gpu_model']}".rstrip()


def queue_of(placement: Mapping[str, Any]) -> str:
    """Return how a task is queued, in words; empty: as the computing decides."""
    told = (("partition", "partition"), ("booked on", "project"), ("time", "time"))
    words = [f"{word} {placement[name]}" for word, name in told if placement[name]]
    return ", ".join([*words, *(f"{name}={value}" for name, value in placement["queue_options"].items())])


def expected_of(forecast: Mapping[str, Any] | None) -> str:
    """Return when a task is expected to start, and who says so."""
    if forecast is None:
        return ""
    if forecast["source"] == "scheduler":
        return f"to start in {output.ahead(forecast['starts'])}, as the scheduler expects"
    latest = f", nine of ten in {output.ahead(forecast['latest'])}" if forecast["latest"] else ""
    return f"to start in {output.ahead(forecast['starts'])}, as half of earlier tasks like this did{latest}"


def use_of(use: Mapping[str, Any]) -> str:
    """Say whether a task is in use, and why."""
    if use["in_use"]:
        return f"in use: {use['sentence']}"
    return f"idle for {output.age(use['idle_since'])}: {use['sentence']}" if use["sign"] == "idle" else ""


@click.command("logs")
@click.argument("task")
@click.option("-f", "--follow", is_flag=True, help="Go on until the task ends.")
@click.option("--tail", type=click.IntRange(min=0), help="Only the last lines, so many.")
@output.json_option
def print_logs(task: str, *, follow: bool, tail: int | None, as_json: bool) -> None:
    """Print what a task wrote, during its life and after."""
    for line in log_lines(connected(), task, follow=follow, tail=tail):
        if as_json:
            click.echo(output.one_line(line))
        else:
            click.echo(line["text"], err=line["stream"] == "stderr" and not output.terminal())


def log_lines(client: Client, task: str, *, follow: bool = False, tail: int | None = None) -> Iterator[Any]:
    """Yield the lines of a task's log. Raises AnsweredError if they end in a failure."""
    for line in client.lines(f"/tasks/{part(task)}/logs", {"follow": follow, "tail": tail}):
        if "problem" in line:
            raise AnsweredError(503, line["problem"])
        yield line


def address_of(task: Mapping[str, Any], interface: str | None) -> str:
    """Return where an interface is opened, or `terminal`: the one named, else the first for browsers. Raises MissingError."""
    if interface == "terminal":
        return str(task["terminal"])
    there = task["interfaces"]
    if interface is not None:
        there = [one for one in there if one["name"] == interface]
    browsable = [one for one in there if one["protocol"] in {"http", "https", "rfb"}]
    if not there:
        names = ", ".join(one["name"] for one in task["interfaces"]) or "none"
        raise MissingError("interface", interface or task["name"], hint=f"Interfaces of {task['name']}: {names}.")
    # What browsers do not understand has a page there that says how it is reached.
    return str(browsable[0]["url"] if browsable else there[0]["origin"])


def show_address(url: str) -> None:
    """Open an address in a browser; where there is none, print it."""
    graphical = sys.platform == "darwin" or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or os.environ.get("BROWSER")
    )
    if not (graphical and url.startswith("http") and webbrowser.open(url)):
        click.echo(url)


@click.command("open")
@click.argument("task")
@click.argument("interface", required=False)
@output.json_option
def open_task(task: str, interface: str | None, *, as_json: bool) -> None:
    """Open a task's INTERFACE, or its terminal, in the browser; without a browser, print its address.

    A port found in the task (see `specola ports`) is called port-8000.
    """
    client = connected()
    found = client.get(f"/tasks/{part(task)}")
    if interface is not None and interface.startswith(FOUND):
        found["interfaces"] += client.get(f"/tasks/{part(found['id'])}/ports")
    url = address_of(found, interface)
    if as_json:
        output.print_json({"url": url})
    else:
        show_address(url)


@click.command("stop")
@click.argument("task")
@click.option("--wait", type=click.FloatRange(min=0), default=0, metavar="SECONDS", help="Wait until it has ended.")
@output.json_option
def stop_task(task: str, *, wait: float, as_json: bool) -> None:
    """Stop a task."""
    client = connected()
    stopped = client.call("POST", f"/tasks/{part(task)}/stop")
    left = wait
    while left > 0 and stopped["state"] not in FINAL:
        step = min(left, LONGEST_WAIT)
        query = {"wait": step, "until": "ended"}
        stopped = client.get(f"/tasks/{part(stopped['id'])}", query, seconds=step + LONGEST_WAIT)
        left -= step
    if as_json:
        output.print_json(stopped)
    else:
        click.echo(f"{stopped['name']}: {output.state_word(stopped['state'])}")
    if wait and stopped["state"] not in FINAL:
        raise WaitError(stopped["name"], stopped["state"], wait)


@click.command("rm")
@click.argument("task")
@output.json_option
def remove_task(task: str, *, as_json: bool) -> None:
    """Remove an ended task, its record and its logs. Your home stays."""
    client = connected()
    found = client.get(f"/tasks/{part(task)}")
    client.call("DELETE", f"/tasks/{part(found['id'])}")
    if as_json:
        output.print_json({"removed": found["id"]})
    else:
        click.echo(f"{found['name']}: removed")


COMMANDS: Mapping[str, click.Command] = {
    "ls": list_tasks,
    "show": show_task,
    "logs": print_logs,
    "open": open_task,
    "stop": stop_task,
    "rm": remove_task,
}
