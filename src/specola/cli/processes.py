"""`specola up`, `web`, `worker`, `signer`, `connector` and `gateway`: the platform's processes."""

import gc
import importlib
from collections.abc import Mapping

import click

__all__ = ["COMMANDS"]

ENVIRONMENT = """\b
Settings come from the environment (SPECOLA_DATA, SPECOLA_BIND, …) and from
specola.yaml in the data folder."""
PROCESSES: Mapping[str, tuple[str, str]] = {
    "up": ("specola.supervisor.main", "Run the whole platform on this machine, in the foreground."),
    "web": ("specola.web.main", "Run the process that serves pages and API, on Unix sockets in the data folder."),
    "worker": ("specola.worker.main", "Run the process that makes wishes true on the computings."),
    "signer": ("specola.signer.main", "Run the process that signs certificates for accounts on hosts."),
    "connector": ("specola.connector.main", "Run the process that holds the ways into computings."),
    "gateway": ("specola.gateway.main", "Run the process that carries bytes between visitors and tasks."),
}


def process(name: str) -> click.Command:
    """Return the command that runs one process to its end."""
    module, text = PROCESSES[name]

    def start() -> None:
        from specola.cli.settings import read_settings

        settings = read_settings()
        # Nothing of what is loaded is ever garbage: looking for some meanwhile would take a sixth of the start.
        gc.disable()
        run = importlib.import_module(module).run
        gc.freeze()
        gc.enable()
        run(settings)

    return click.Command(name, callback=start, help=f"{text}\n\n{ENVIRONMENT}")


COMMANDS: Mapping[str, click.Command] = {name: process(name) for name in PROCESSES}
