"""What the scripts ask of the machine they run on: its programs, package settings and certificate authorities."""

import configparser
import hashlib
import os
import resource
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

__all__ = [
    "CACHE",
    "ROOT",
    "FailedError",
    "answers",
    "certificates",
    "content_hash",
    "has",
    "is_root",
    "limits",
    "pip_settings",
    "run",
    "say",
]

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "specola"

BUNDLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
SYSTEM_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
LIMITS = {"nofile": (resource.RLIMIT_NOFILE, 1024, 4096), "nproc": (resource.RLIMIT_NPROC, 4096, 8192)}
LOCAL_AUTHORITIES = Path("/usr/local/share/ca-certificates")


class FailedError(Exception):
    """A step could not be done; the text tells what to do about it."""


def say(text: str) -> None:
    """Tell the person at the terminal what is going on."""
    print(f"specola: {text}", file=sys.stderr, flush=True)


def is_root() -> bool:
    """Tell whether this process may change the machine."""
    return os.geteuid() == 0


def has(program: str) -> bool:
    """Tell whether a program is installed."""
    return shutil.which(program) is not None


def run(command: Sequence[str | Path], *, environment: Mapping[str, str] | None = None, cwd: Path = ROOT) -> None:
    """Run a program to its end, its output passing through; raise FailedError if it fails."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, cwd=cwd, env={**os.environ, **(environment or {})}, check=False)
    except FileNotFoundError as error:
        raise FailedError(f"{words[0]} is not installed.") from error
    if done.returncode != 0:
        raise FailedError(f"This failed with exit code {done.returncode}: {shlex.join(words)}")


def answers(
    command: Sequence[str | Path], *, seconds: float = 30, environment: Mapping[str, str] | None = None
) -> str | None:
    """Return what a program prints, or None if it is not there, fails, or takes too long."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def content_hash(paths: Iterable[Path], *, salt: str = "") -> str:
    """Return a hash of files (folders: of all files in them) by name, executable bit and content."""
    files: set[Path] = set()
    for path in paths:
        files.update(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else files.add(path)
    total = hashlib.sha256(salt.encode())
    for file in sorted(files):
        mode = "x" if os.access(file, os.X_OK) else "-"
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        total.update(f"\n{file.relative_to(ROOT)} {mode} {content}".encode())
    return total.hexdigest()[:24]


def limits() -> list[str]:
    """Return limits as `--ulimit` takes them, none above this process's own: some machines let nobody raise them."""
    words = []
    for name, (number, soft, hard) in LIMITS.items():
        _, own = resource.getrlimit(number)
        most = hard if own == resource.RLIM_INFINITY else min(hard, own)
        words += ["--ulimit", f"{name}={min(soft, most)}:{most}"]
    return words


def certificates() -> Path | None:
    """Return the certificate authorities that programs here are told to believe, if that is more than Debian's own."""
    named = [Path(os.environ[name]) for name in BUNDLES if os.environ.get(name)]
    configured = pip_settings().get("cert")
    for bundle in ([Path(configured)] if configured else []) + named:
        if bundle.is_file():
            return bundle
    has_own = LOCAL_AUTHORITIES.is_dir() and any(LOCAL_AUTHORITIES.rglob("*.crt"))
    return SYSTEM_BUNDLE if has_own and SYSTEM_BUNDLE.is_file() else None


def pip_settings() -> dict[str, str]:
    """Return pip's settings of this machine, as files and then the environment give them."""
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    files = [Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf"), Path.home() / ".pip/pip.conf", home / "pip/pip.conf"]
    if named := os.environ.get("PIP_CONFIG_FILE"):
        files.append(Path(named))
    parser = configparser.RawConfigParser(strict=False)
    parser.read(file for file in files if file.is_file())
    settings = dict(parser["global"]) if parser.has_section("global") else {}
    for name in ("index-url", "extra-index-url", "trusted-host", "timeout", "cert"):
        if value := os.environ.get(f"PIP_{name.replace('-', '_').upper()}"):
            settings[name] = value
    return settings
