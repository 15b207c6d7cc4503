"""The program `specola`: which command lives in which module."""

import importlib
import os
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

import click
from typing_extensions import override

from specola import __version__
from specola.cli.failures import exit_code_of

__all__ = ["LazyGroup", "command_line", "main"]

# Command: (module below specola.cli, one line for the list of commands). The help text stands here so that listing
# the commands loads none of them.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "run": ("running", "Start software, or any image."),
    "ls": ("tasks", "List tasks."),
    "show": ("tasks", "Show one task."),
    "logs": ("tasks", "Print what a task wrote."),
    "open": ("tasks", "Open a task in the browser."),
    "ports": ("ports", "List the ports found in a task, or add one to its software."),
    "connections": ("connections", "List who reached a task."),
    "forward": ("forwarding", "Listen on this machine for interfaces of a task."),
    "connect": ("connecting", "Run a client of an interface of a task."),
    "share": ("links", "Let others look at a desktop, by a link."),
    "links": ("links", "List a task's links."),
    "unshare": ("links", "Take a link back."),
    "stop": ("tasks", "Stop a task."),
    "rm": ("tasks", "Remove an ended task and its record."),
    "software": ("software", "The catalogue: list, show, add, edit, remove."),
    "computings": ("computings", "Places that run tasks: list, show, add, change, test, remove."),
    "hosts": ("hosts", "Show the host keys of a machine that a computing is to work on."),
    "login": ("account", "Sign this machine in with a personal token."),
    "logout": ("account", "Forget the token that this machine holds."),
    "whoami": ("account", "Show who is signed in."),
    "cert": ("certificates", "Get a certificate by which programs reach tasks at their TLS names."),
    "ssh": ("ssh", "Open a shell in a task."),
    "exec": ("ssh", "Run a command in a task."),
    "cp": ("ssh", "Copy files to and from tasks."),
    "ssh-config": ("ssh", "What OpenSSH has to be told to reach tasks."),
    "keys": ("keys", "The SSH keys of one's account: list, add, remove."),
    "accounts": ("account_links", "Your accounts on computings: list, link, check, end."),
    "groups": ("groups", "Groups of people: list, show, create, change, remove."),
    "completion": ("completion", "Print the shell's completion script."),
    "up": ("processes", "Run the whole platform on this machine."),
    "web": ("processes", "Run the process that serves pages and API."),
    "worker": ("processes", "Run the process that makes wishes true."),
    "signer": ("processes", "Run the process that signs certificates for accounts on hosts."),
    "connector": ("processes", "Run the process that holds the ways into computings."),
    "gateway": ("processes", "Run the process that carries bytes."),
    "admin": ("administration", "Accounts, sign-in links and tokens, on the platform's host."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = COMMANDS.get(cmd_name)
        if found is None:
            return None
        module = importlib.import_module(f"specola.cli.{found[0]}")
        command: click.Command = module.COMMANDS[cmd_name]
        return command

    @override
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Nobody reads on, which is no failure: `specola ls | head -1`. What is still buffered has no place to go.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(0) from None

    @override
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="specola")
def command_line() -> None:
    """Start any software on any computing, and reach it over any TCP interface."""


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    try:
        code = command_line.main(prog_name="specola", standalone_mode=False)
    except BaseException as error:  # noqa: BLE001 - every way out of a command meets one table
        code = exit_code_of(error)
    sys.exit(code if isinstance(code, int) else 0)
