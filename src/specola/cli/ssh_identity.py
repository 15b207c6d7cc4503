"""What this machine is known by to the SSH front door: a key pair, a certificate, the configuration of OpenSSH."""

import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from specola.cli import credentials
from specola.cli.client import Client
from specola.domain.errors import MissingError

__all__ = ["CIPHERS", "HOURS", "Door", "Identity"]

HOURS = 8.0
LEFT = timedelta(minutes=5)
"""A certificate that has less left is made anew."""
CIPHERS = "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com"
"""The fastest first; OpenSSH's own order begins with one that takes twice the time on most processors."""
PREFIX = "specola-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where the front door is, and the line by which OpenSSH knows it."""

    host: str
    port: int
    known_hosts: str

    @classmethod
    def of(cls, client: Client) -> "Door":
        """Ask the platform. Raises MissingError: it has no front door."""
        told = client.get("/ssh/authority")
        if not told["port"]:
            raise MissingError(
                "SSH front door of", client.url, hint="Its operator can open one by the setting ssh_bind."
            )
        return cls(host=told["host"], port=told["port"], known_hosts=told["known_hosts"])


class Identity:
    """The files below `ssh` in Specola's configuration folder, for this user alone."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or credentials.file().parent / "ssh"
        self.key = self.folder / "id_ed25519"
        self.certificate = self.folder / "id_ed25519-cert.pub"
        self.known_hosts = self.folder / "known_hosts"
        self.config = self.folder / "config"
        self.tasks = self.folder / "tasks"
        self._term = self.folder / "certificate.json"

    def forget(self) -> None:
        """Remove all of it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def renew(self, client: Client, door: Door, *, hours: float = HOURS) -> datetime:
        """Ask for another certificate, making the key pair if there is none; return when it ends."""
        self._make_key()
        public = self.key.with_suffix(".pub").read_text(encoding="utf-8")
        issued = client.call("POST", "/account/ssh-certificates", body={"key": public, "hours": hours})
        self.write(self.certificate, issued["certificate"] + "\n")
        self.write(self.known_hosts, door.known_hosts + "\n")
        self.write(self._term, json.dumps({"url": client.url, "expires": issued["expires"]}))
        return datetime.fromisoformat(issued["expires"])

    def ensure(self, client: Client, door: Door) -> None:
        """Make sure of a certificate that is good for a while."""
        try:
            term = json.loads(self._term.read_text(encoding="utf-8"))
            good = term["url"] == client.url and datetime.fromisoformat(term["expires"]) > datetime.now(UTC) + LEFT
        except (OSError, ValueError, KeyError, TypeError):
            good = False
        if not good or not self.certificate.exists():
            self.renew(client, door)
        else:
            self.write(self.known_hosts, door.known_hosts + "\n")

    def options(self, door: Door) -> dict[str, str]:
        """Return what OpenSSH has to be told to reach the front door as oneself."""
        return {
            "HostName": door.host,
            "Port": str(door.port),
            "IdentityFile": quoted(self.key),
            "CertificateFile": quoted(self.certificate),
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": quoted(self.known_hosts),
            "StrictHostKeyChecking": "yes",
            "UpdateHostKeys": "no",
            "Ciphers": CIPHERS,
            "ServerAliveInterval": "30",
        }

    def words(self, door: Door) -> list[str]:
        """Return the same as words of a command line."""
        return [word for name, value in self.options(door).items() for word in ("-o", f"{name}={value}")]

    def block(self, door: Door) -> str:
        """Return the same as a part of OpenSSH's configuration, for `ssh specola-TASK` and for `ssh TASK@host -p PORT`."""
        settings = "\n".join(f"    {name} {value}" for name, value in self.options(door).items())
        # Nothing of the command line stands in what Match runs but a number, so nobody can put a command there.
        return "\n".join(
            (
                "# Made by `specola ssh-config`; it is written anew, so change nothing here.",
                f'Match originalhost {PREFIX}* exec "{program()} ssh-config --refresh"',
                f"    Include {quoted(self.tasks)}",
                f"Host {PREFIX}*",
                settings,
                f'Match originalhost {door.host} exec "test %p -eq {door.port}"',
                settings,
                "Match all",
                "",
            )
        )

    def write_tasks(self, tasks: Iterable[Mapping[str, Any]]) -> None:
        """Write down the aliases of live tasks: `specola-<id>`, and `specola-<name>` where that fits and is plain."""
        lines: list[str] = []
        taken: set[str] = set()
        for task in tasks:
            aliases = [PREFIX + task["id"]]
            name = "-".join(task["name"].lower().split())
            if (
                name.isascii()
                and name.replace("-", "").replace("_", "").replace(".", "").isalnum()
                and name not in taken
            ):
                taken.add(name)
                aliases.append(PREFIX + name)
            lines += [f"Host {' '.join(aliases)}", f"    User {task['id']}"]
        self.write(self.tasks, "\n".join([*lines, ""]))

    def write(self, path: Path, text: str) -> None:
        """Write a file of this folder for this user alone, at one stroke."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace(path, text)

    def _make_key(self) -> None:
        if self.key.exists() and self.key.with_suffix(".pub").exists():
            return
        # Loaded when it is needed, once on each machine: `specola whoami` would wait for it otherwise.
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

        private = Ed25519PrivateKey.generate()
        public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        text = private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
        self.write(self.key, text)
        self.write(self.key.with_suffix(".pub"), f"{public} specola\n")


def replace(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Write a file at one stroke."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as out:
        out.write(text)
    draft.replace(path)


def quoted(path: Path) -> str:
    """Return a path as OpenSSH's configuration takes it, with spaces and with the sign of its own placeholders."""
    return f'"{str(path).replace("%", "%%")}"'


def program() -> str:
    """Return how this program is called again."""
    beside = Path(sys.argv[0])
    found = beside.absolute() if beside.name == "specola" and beside.exists() else shutil.which("specola")
    return f"'{found or 'specola'}'".replace("%", "%%")
