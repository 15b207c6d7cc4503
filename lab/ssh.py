"""The SSH server of a lab machine, and the homes of those who log in."""

import os
from pathlib import Path

from lab.keys import HOSTS, Keys
from lab.machine import Machine, Service
from lab.root import PEOPLE

__all__ = ["SSHD", "make_homes", "prepare_ssh", "prepare_trust"]

AUTHORITIES = "/etc/ssh/authorities"
SERVER = {
    "HostKey": "/etc/ssh/host",
    "HostCertificate": "/etc/ssh/host-cert.pub",
    "TrustedUserCAKeys": AUTHORITIES,
    "AuthorizedKeysFile": ".ssh/authorized_keys",
    "PasswordAuthentication": "no",
    "KbdInteractiveAuthentication": "no",
    "PermitRootLogin": "no",
    "AllowUsers": " ".join(PEOPLE),
    "PrintMotd": "no",
    "MaxStartups": "100",
    # Who tests what is refused would soon be kept waiting.
    "PerSourcePenalties": "no",
    "Subsystem": "sftp internal-sftp",
}
SSHD = Service("sshd", ("/usr/sbin/sshd", "-D", "-e"), answers=("nc", "-z", "127.0.0.1", "22"))


def prepare_ssh(machine: Machine, keys: Keys, **more: str) -> None:
    """Give a machine its host key, its configuration, and whom it trusts.

    Parameters
    ----------
    more
        Settings of sshd_config(5) beside the usual ones.
    """
    name = f"host-{machine.name}"
    machine.run("mkdir", "--parents", "/run/sshd")
    machine.put("/etc/ssh/host", (keys.folder / name).read_text(encoding="ascii"), mode="0600")
    machine.put("/etc/ssh/host-cert.pub", keys.public(f"{name}-cert"))
    machine.put("/etc/ssh/ssh_known_hosts", f"@cert-authority * {keys.public(HOSTS)}")
    prepare_trust(machine, keys)
    lines = [f"{key} {value}\n" for key, value in {**SERVER, "UsePAM": "no", **more}.items()]
    # Every account has a folder for what lives as long as its sessions, as logind would make it.
    lines += [f"Match User {person}\n  SetEnv {_environment(number)}\n" for person, number in PEOPLE.items()]
    machine.put("/etc/ssh/sshd_config", "".join(lines))
    for person in PEOPLE:
        folder = f"/run/user/{PEOPLE[person]}"
        machine.run("install", "--directory", "--mode=0700", f"--owner={person}", f"--group={person}", folder)


def prepare_trust(machine: Machine, keys: Keys) -> None:
    """Have a machine accept certificates of the authorities that its place trusts; a running server does so at once."""
    machine.put(AUTHORITIES, "".join(f"{line}\n" for line in keys.trusted()))


def _environment(number: int) -> str:
    values = {"XDG_RUNTIME_DIR": f"/run/user/{number}", "PODMAN_IGNORE_CGROUPSV1_WARNING": "1"}
    return " ".join(f"{key}={value}" for key, value in values.items())


def make_homes(folder: Path, keys: Keys) -> None:
    """Make a home for everybody who has none yet, which their own key opens."""
    folder.mkdir(parents=True, exist_ok=True)
    for person, number in PEOPLE.items():
        home = folder / person
        if home.exists():
            continue
        (home / ".ssh").mkdir(parents=True)
        (home / ".ssh/authorized_keys").write_text(keys.public(person), encoding="ascii")
        for path in (home, home / ".ssh", home / ".ssh/authorized_keys"):
            os.chown(path, number, number)
            path.chmod(0o600 if path.is_file() else 0o700)
