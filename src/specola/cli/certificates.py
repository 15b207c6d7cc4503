"""`specola cert`: a certificate for hours, by which any program that speaks TLS reaches a task by its name."""

import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from specola.cli import credentials, output
from specola.cli.client import Client, connected, part
from specola.domain.errors import InvalidError, MissingError, NoTlsError

__all__ = ["COMMANDS", "Files", "Place", "line_for"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """What a client needs; `root` None: the platform's own certificate is of a public authority."""

    key: Path
    certificate: Path
    root: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An interface with a TLS name."""

    host: str
    port: int
    protocol: str


@click.command("cert")
@click.argument("task", required=False)
@click.argument("interface", required=False)
@click.option(
    "--hours",
    type=click.FloatRange(min=0, min_open=True),
    default=8,
    show_default=True,
    help="How long it is good, at most 24.",
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Another folder for the files.")
@output.json_option
def certificate(task: str | None, interface: str | None, *, hours: float, out: Path | None, as_json: bool) -> None:
    """Get a client certificate; for an INTERFACE of a TASK, print how to connect with it.

    Programs that speak TLS from the first byte (PostgreSQL's from version 17 on, Redis, gRPC and others) connect to a
    task's own name with it. The key is made here and never leaves this machine. The certificate ends with the token.
    """
    client = connected()
    # Asked first: where there is no such interface, no certificate is needed.
    where = interface_of(client, task, interface) if task else None
    key, request = new_key()
    issued = client.call("POST", "/account/certificates", body={"request": request, "hours": hours})
    folder = out or credentials.file().parent / "tls"
    files = keep(folder, key, issued)
    line = line_for(where, files) if where else None
    told = {
        "key": str(files.key),
        "certificate": str(files.certificate),
        "server_root": str(files.root) if files.root else None,
    }
    if as_json:
        output.print_json({**issued["certificate"], "files": told, "command": line})
        return
    output.facts(
        [*((name, path or "") for name, path in told.items()), ("good until", issued["certificate"]["expires"])]
    )
    if line:
        click.echo(f"\n{line}")


def interface_of(client: Client, task: str, interface: str | None) -> Place:
    """Return an interface that is reached by name.

    Raises
    ------
    MissingError
        The task has no such interface.
    InvalidError
        It is HTTP, which needs no certificate; or several are there, and none is named.
    NoTlsError
        The platform has no TLS.
    """
    there = {one["name"]: one for one in client.get(f"/tasks/{part(task)}")["interfaces"]}
    named = {name: one for name, one in there.items() if one["protocol"] not in {"http", "https"}}
    if interface is None:
        if len(named) != 1:
            names = ", ".join(named) or "none"
            raise InvalidError(f"Which interface? Reached by name: {names}.", hint="specola cert TASK INTERFACE")
        [interface] = named
    if interface not in there:
        raise MissingError("interface", interface)
    if interface not in named:
        raise InvalidError(f"“{interface}” speaks HTTP.", hint=f"Open it: specola open {task} {interface}")
    platform, address = urlsplit(client.url), urlsplit(named[interface]["url"])
    if platform.scheme != "https":
        raise NoTlsError
    # All names are served at one port, the platform's own.
    return Place(host=address.hostname or "", port=platform.port or 443, protocol=named[interface]["protocol"])


def new_key() -> tuple[str, str]:
    """Make a key; return it and a request to sign it, both in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return text, request.public_bytes(Encoding.PEM).decode()


def keep(folder: Path, key: str, issued: Mapping[str, Any]) -> Files:
    """Write what was made and issued into a folder."""
    root = folder / "server.crt"
    if not issued["server_root"]:
        root.unlink(missing_ok=True)
    return Files(
        key=write(folder / "client.key", key),
        certificate=write(folder / "client.crt", issued["pem"]),
        root=write(root, issued["server_root"]) if issued["server_root"] else None,
    )


def write(path: Path, text: str) -> Path:
    """Write a file that only this user may read, whole or not at all; return its path."""
    path = path.absolute()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as opened:
        opened.write(text)
    draft.replace(path)
    return path


def line_for(place: Place, files: Files) -> str:
    """Return what to type, or to write into a program, to reach an interface."""
    return LINES.get(place.protocol, any_line)(place, files)


def postgres_line(place: Place, files: Files) -> str:
    """Return a line for psql; libpq speaks TLS first from version 17 on."""
    told = {
        "host": place.host,
        "port": place.port,
        "sslmode": "verify-full",
        "sslnegotiation": "direct",
        "sslcert": files.certificate,
        "sslkey": files.key,
        "sslrootcert": files.root or "system",
        "user": "postgres",
    }
    return shlex.join(("psql", " ".join(f"{name}={quoted(str(value))}" for name, value in told.items())))


def quoted(value: str) -> str:
    """Return a value as libpq reads it (PostgreSQL, "Connection Strings")."""
    if value and not set(value) & set(" '\\"):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def redis_line(place: Place, files: Files) -> str:
    """Return a line for redis-cli."""
    shown = ("--cert", str(files.certificate), "--key", str(files.key))
    root = ("--cacert", str(files.root)) if files.root else ()
    where = ("-h", place.host, "-p", str(place.port), "--tls", "--sni", place.host)
    return shlex.join(("redis-cli", *where, *shown, *root))


def grpc_line(place: Place, files: Files) -> str:
    """Return lines of Python."""
    root = f"open({str(files.root)!r}, 'rb').read()" if files.root else "None"
    return "\n".join(
        (
            "import grpc",
            f"credentials = grpc.ssl_channel_credentials({root},",
            f"    open({str(files.key)!r}, 'rb').read(), open({str(files.certificate)!r}, 'rb').read())",
            f"channel = grpc.secure_channel('{place.host}:{place.port}', credentials)",
        )
    )


def any_line(place: Place, files: Files) -> str:
    """Return a line for openssl, which carries whatever is typed."""
    where = ("-connect", f"{place.host}:{place.port}", "-servername", place.host)
    shown = ("-cert", str(files.certificate), "-key", str(files.key))
    root = ("-CAfile", str(files.root)) if files.root else ()
    check = ("-verify_return_error", "-verify_hostname", place.host)
    return shlex.join(("openssl", "s_client", "-quiet", *where, *shown, *root, *check))


LINES: Mapping[str, Callable[[Place, Files], str]] = {"postgres": postgres_line, "redis": redis_line, "grpc": grpc_line}
COMMANDS: Mapping[str, click.Command] = {"cert": certificate}
