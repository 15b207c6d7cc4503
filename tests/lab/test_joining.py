"""The lab on a platform: its places become computings that run something, and are gone again with it."""

import asyncio
import sys
import tempfile
from pathlib import Path

import pytest

from tests.support.installed import Installed, installed, until
from tests.support.lab import own_ground

pytestmark = [pytest.mark.anyio, pytest.mark.lab, pytest.mark.timeout(600)]

# What only this machine's engine would have, if the record did not say where it is to be had from there.
SOFTWARE = {
    "software": "sleeper",
    "image": "localhost/specola/box:1",
    "command": ["/bin/busybox", "sleep", "600"],
    "resources": {"cpus": 0.5, "memory": "64MiB"},
}
ENGINES = ["lab-ssh", "lab-jump", "lab-host"]


async def lab(platform: Installed, ground: Path, *words: str) -> str:
    """Run the lab's command line as somebody whom SPECOLA_URL and SPECOLA_TOKEN make an administrator."""
    argv = [sys.executable, "-m", "lab", *words, "--join", f"--ground={ground}"]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*argv, env=platform.settings, stdout=pipe, stderr=pipe)
    output, errors = await process.communicate()
    assert process.returncode == 0, (output, errors)
    return output.decode() + errors.decode()


async def names(platform: Installed) -> list[str]:
    async with platform.api() as api:
        return [one["name"] for one in (await api.get("/computings")).json()]


async def test_places_are_added_once_used_and_removed_again() -> None:
    with own_ground() as ground, tempfile.TemporaryDirectory(prefix="sp-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o711)
        async with installed(Path(folder) / "data", engine="memory") as platform:
            for _ in range(2):
                told = await lab(platform, ground, "up", "registry", "sshhost", "slurm")
                assert await names(platform) == ["local", *ENGINES, "lab-slurm"]
                assert told.count("answers\n") >= len(ENGINES), told
            async with platform.api() as api:
                assert (await api.post("/software", json=SOFTWARE)).status_code == 201
            code, shown, errors = await platform.command("run", "sleeper", "--on", "lab-slurm", "--wait", "120")
            assert code == 0, (shown, errors)
            told = await lab(platform, ground, "down", "registry", "sshhost")
            assert "a live task is there" in told
            assert await names(platform) == ["local", "lab-slurm"]
            assert (await platform.command("stop", "sleeper", "--wait", "60"))[0] == 0

            async def is_left() -> bool:
                # A computing stays while what an ended task has there is being removed.
                await lab(platform, ground, "down")
                return await names(platform) == ["local"]

            await until(is_left, pause=1, what="a platform without the lab")
