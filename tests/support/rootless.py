"""Podman's service without root, as a program: in a mount namespace of its own, with devices as ordinary machines have them."""

import os
import pwd
import subprocess
import sys
from pathlib import Path

__all__ = ["USER", "main"]

USER = "nobody"
NUMBERS = f"{USER}:200000:65536\n"
DEVICES = {"net/tun": (10, 200), "fuse": (10, 229)}
CONTAINERS = """\
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
exit_command_delay = 1
[containers]
default_ulimits = ["nofile=1024:4096", "nproc=4096:8192"]
"""
STORAGE = '[storage]\ndriver = "vfs"\n'


def main(folder: Path) -> None:
    """Prepare the namespace, give up root, and become the service, which answers at `engine.sock` in `folder`.

    Started by `unshare --mount`, so nothing that is mounted here is seen by anybody else.
    """
    account = pwd.getpwnam(USER)
    files = {"subid": NUMBERS, "containers.conf": CONTAINERS, "storage.conf": STORAGE}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="ascii")
    for name, (major, minor) in DEVICES.items():
        device = folder / Path(name).name
        os.mknod(device, 0o020666, os.makedev(major, minor))
        device.chmod(0o666)
        _bind(device, f"/dev/{name}")
    for target in ("/etc/subuid", "/etc/subgid"):
        _bind(folder / "subid", target)
    for name in ("home", "run"):
        (folder / name).mkdir(mode=0o700)
        os.chown(folder / name, account.pw_uid, account.pw_gid)
    os.chown(folder, account.pw_uid, account.pw_gid)
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    os.chdir(folder)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder / "home"),
        "XDG_RUNTIME_DIR": str(folder / "run"),
        "CONTAINERS_CONF": str(folder / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
    }
    argv = ["podman", "system", "service", "--time=0", f"unix://{folder / 'engine.sock'}"]
    os.execvpe(argv[0], argv, environment)  # noqa: S606 -- this process is to become the service, without a shell


def _bind(source: Path, target: str) -> None:
    subprocess.run(["mount", "--bind", str(source), target], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
