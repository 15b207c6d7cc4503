"""Containers by Podman without root, with storage of their own on the node's disk; all of it is removed in the end."""

from __future__ import annotations

import json
import os
from pathlib import Path

from .children import Children
from .images import by_digest, failure, run
from .manifest import Manifest, Mount, Storage
from .network import Network
from .placed import FOLDER, HELPER, Placed
from .places import Place
from .runtime import Config, Container, StartError, environment_of, lookup, ours
from .status import write_whole

__all__ = ["NAME", "Podman", "argv", "removal"]

NAME = "podman"
# Podman makes what it starts process 1, which gets no signal that it does not wait for, and has orphans to bury.
FIRST_PROCESS = (HELPER, "sh", "-c", 'exec 3>&2 2>/dev/null; "$@" 2>&3 3>&- & wait $!; exit $?', "first")
USERS = "/etc/passwd"
CONTROLLERS = Path("/sys/fs/cgroup/cgroup.controllers")
QUIET = {"PODMAN_IGNORE_CGROUPSV1_WARNING": "1"}


class Podman:
    """Runs one task's container."""

    def __init__(self, children: Children) -> None:
        self._children = children
        self._tool: list[str] = []
        self._kept = Storage("", "")

    async def start(self, manifest: Manifest, place: Place, placed: Placed, streams: tuple[int, int, int]) -> Container:
        """Fetch the image, start the container in the foreground."""
        program = lookup(NAME)
        if program is None:
            raise StartError("runtime_missing", "This node has no Podman.")
        where = storage(manifest, place)
        self._kept = where
        self._tool = tool(program, where)
        image = await self._fetch(manifest, place)
        config = await self._config(image, place)
        if manifest.user == "home":
            await self._name_the_user(image, manifest, place, placed)
        environment = environment_of(manifest, config)
        words = argv(self._tool, manifest, config, image=image, place=place, placed=placed)
        child = self._children.start(words, {**environment, **self._environment(place)}, streams=streams)
        return Container(child, None, config)

    async def _fetch(self, manifest: Manifest, place: Place) -> str:
        image = manifest.image
        words = ["load", "--quiet", "--input", image.archive] if image.archive else ["pull", "--quiet"]
        if not image.archive:
            words += [*(["--tls-verify=false"] if image.insecure else []), by_digest(image)]
        code, output = await run(self._children, [*self._tool, *words], self._environment(place))
        if code != 0:
            raise failure(image, output)
        return output.split()[-1]

    async def _config(self, image: str, place: Place) -> Config:
        words = [*self._tool, "image", "inspect", "--format", "{{.Id}} {{json .Config}}", image]
        code, output = await run(self._children, words, self._environment(place))
        number, _, text = output.partition(" ")
        try:
            return Config.read(json.loads(text), image_id=number if ":" in number else f"sha256:{number}")
        except ValueError as error:
            raise StartError("start_failed", f"Podman does not say what is in the image ({code}): {output}") from error

    async def _name_the_user(self, image: str, manifest: Manifest, place: Place, placed: Placed) -> None:
        """Lay out the image's list of users with this account in it; Podman itself leaves it out where the name is taken."""
        words = ["run", "--rm", "--network=none", "--log-driver=none", "--cap-drop=all", *_groups()]
        words += ["--mount", _mount(Mount(str(placed.folder), FOLDER, read_only=True)), f"--entrypoint={HELPER}"]
        _, output = await run(self._children, [*self._tool, *words, image, "cat", USERS], self._environment(place))
        kept = [line for line in output.splitlines() if line.count(":") == 6]
        own = (str(os.getuid()), str(os.getgid()))
        others = [line for line in kept if line.split(":")[2] != own[0] and line.split(":")[0] != manifest.owner]
        home = manifest.home.target if manifest.home else "/"
        entry = f"{manifest.owner or 'user'}:x:{':'.join(own)}::{home}:/bin/sh"
        write_whole(users_of(place), "".join(f"{line}\n" for line in (*others, entry)), mode=0o644)

    @staticmethod
    def _environment(place: Place) -> dict[str, str]:
        return {**ours(os.environ, place), **QUIET}

    async def network(self, container: Container, process: int) -> Network:
        """Return the network that Podman has made."""
        del container
        return Network.of(self._children, process)

    async def clear(self, place: Place) -> None:
        """Remove the container, the image and the storage, part of which belongs to other numbers of this account."""
        if self._tool:
            words, more = removal(self._tool[0], self._kept, place.sockets)
            await run(self._children, words, {**self._environment(place), **more})


def removal(program: str, where: Storage, folder: Path) -> tuple[list[str], dict[str, str]]:
    """Return the command that removes a storage, part of which belongs to other numbers of this account, and its variables.

    It has a storage of its own, in `folder`: Podman holds fast what it uses itself.
    """
    aside = folder / "aside"
    aside.mkdir(mode=0o700, exist_ok=True)
    begin = tool(program, Storage(str(aside / "root"), str(aside / "runroot")))
    return [*begin, "unshare", "rm", "-rf", where.root, where.runroot], {"XDG_RUNTIME_DIR": str(aside), **QUIET}


def users_of(place: Place) -> Path:
    """Return where the list of users is that the container gets."""
    return place.disk / "passwd"


def storage(manifest: Manifest, place: Place) -> Storage:
    """Return where Podman keeps what belongs to this task."""
    return manifest.storage or Storage(str(place.disk / "root"), str(place.disk / "runroot"))


def tool(program: str, where: Storage) -> list[str]:
    """Return the beginning of every command, which tells where things are kept."""
    options = ["--log-level=error", "--cgroup-manager=cgroupfs", "--events-backend=none"]
    return [program, "--root", where.root, "--runroot", where.runroot, *options]


def argv(
    begin: list[str], manifest: Manifest, config: Config, *, image: str, place: Place, placed: Placed
) -> list[str]:
    """Return the command that runs a task's container."""
    binds = [Mount(str(placed.folder), FOLDER, read_only=True)]
    if manifest.scratch is not None:
        source = Path(manifest.scratch.source or place.disk) / f"{place.disk.name}-scratch"
        binds.append(Mount(str(source), manifest.scratch.target))
    if manifest.home is not None:
        binds.append(manifest.home)
    for one in binds:
        Path(one.source).mkdir(mode=0o700, parents=True, exist_ok=True)
    if users_of(place).exists():
        binds.append(Mount(str(users_of(place)), USERS, read_only=True))
    words = [*begin, "run", "--rm", "--name", place.sockets.name, "--log-driver=none", *_groups()]
    words += ["--network", _network(manifest.network), "--cap-drop=all", "--security-opt=no-new-privileges"]
    words.append("--sysctl=net.ipv4.ip_unprivileged_port_start=0")
    words += [f"--cap-add={one}" for one in manifest.capabilities]
    words += ["--userns=keep-id"] if manifest.user == "home" else []
    words += [f"--shm-size={manifest.resources.shm}"] if manifest.resources.shm else []
    words += ["--device=nvidia.com/gpu=all"] if manifest.resources.gpus else []
    for one in binds:
        words += ["--mount", _mount(one)]
    # The values go by the variables of Podman itself, since everybody sees arguments; those that it has for itself by a file.
    variables = environment_of(manifest, config)
    own = ours(os.environ, place)
    kept = place.disk / "environment"
    kept.write_text("".join(f"{name}={value}\n" for name, value in variables.items() if name in own), encoding="utf-8")
    words += ["--env-file", str(kept)]
    for name in variables:
        words += ["--env", name] if name not in own else []
    first, *rest = (*FIRST_PROCESS, *placed.begin(config.workdir, config.argv(manifest.command)))
    return [*words, "--entrypoint", json.dumps([first]), image, *rest]


def _groups() -> list[str]:
    """Return what Podman has to be told of control groups: without a part of them that is this account's, to do without."""
    if not CONTROLLERS.exists():
        return []
    own = Path("/proc/self/cgroup").read_text(encoding="ascii").strip().rpartition(":")[2]
    if os.access(f"/sys/fs/cgroup{own}/cgroup.procs", os.W_OK):
        return ["--pids-limit=-1"]
    return ["--cgroups=disabled"]


def _network(wanted: str) -> str:
    if wanted == "outbound" and lookup("pasta"):
        closed = ",".join(f"{option},none" for option in ("-t", "-u", "-T", "-U"))
        return f"pasta:--no-map-gw,{closed}"
    if wanted == "outbound" and lookup("slirp4netns"):
        return "slirp4netns:allow_host_loopback=false"
    return "none"


def _mount(mount: Mount) -> str:
    """Return a mount as Podman reads it: comma-separated values, of which any may be in quotes."""
    parts = ["type=bind", f"source={mount.source}", f"destination={mount.target}", *(["ro"] if mount.read_only else [])]
    return ",".join('"' + part.replace('"', '""') + '"' for part in parts)
