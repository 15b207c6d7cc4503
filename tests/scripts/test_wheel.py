"""The wheel: installed by itself, without Node, it carries all it needs and starts."""

import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from scripts.machine import ROOT
from scripts.wheel import build, lacking
from tests.support.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel")]

MODULES = "import importlib, pkgutil, specola\nfor one in pkgutil.walk_packages(specola.__path__, 'specola.'):\n"
MODULES += (
    "    if not one.name.endswith(('__main__', '.env')): importlib.import_module(one.name)\nprint(specola.__file__)"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def programs(wheel: Path) -> Path:
    """A fresh environment with nothing of ours but the wheel; what Specola depends on is borrowed from this one."""
    venv = wheel.parent / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    pip: list[str | Path] = [
        venv / "bin/python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--no-warn-conflicts",
    ]
    subprocess.run([*pip, wheel], check=True)
    packages = next((venv / "lib").glob("python*/site-packages"))
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return venv / "bin"


def without_node(**more: str) -> dict[str, str]:
    """The environment of a machine that has neither Node nor this clone."""
    return {"PATH": "/usr/sbin:/sbin", "LANG": "C.UTF-8", "HOME": os.environ.get("HOME", "/"), **more}


def test_the_wheel_carries_pages_scripts_migrations_and_catalogue(wheel: Path) -> None:
    assert lacking(wheel) == []


def test_every_module_can_be_imported_from_it(programs: Path) -> None:
    command: list[str | Path] = [programs / "python", "-W", "error", "-c", MODULES]
    done = subprocess.run(command, cwd="/", env=without_node(), capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert not Path(done.stdout.strip()).is_relative_to(ROOT)


def test_it_knows_its_version(programs: Path) -> None:
    command: list[str | Path] = [programs / "specola", "--version"]
    done = subprocess.run(command, cwd="/", env=without_node(), capture_output=True, text=True, check=True)
    assert re.search(r"\b\d+\.\d+\.\d+", done.stdout)


@pytest.fixture
def platform(programs: Path) -> Iterator[str]:
    """The address of a platform started from the wheel, with a computing that only pretends."""
    with tempfile.TemporaryDirectory(prefix="specola-") as data:
        Path(data).chmod(0o711)
        port = free_port()
        environment = without_node(SPECOLA_DATA=data, SPECOLA_BIND=f"127.0.0.1:{port}", SPECOLA_ENGINE="memory")
        with subprocess.Popen(
            [programs / "specola", "up"],
            cwd="/",
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout
            said = []
            for line in process.stdout:
                said.append(line)
                if "is ready at" in line:
                    break
            else:
                raise AssertionError("".join(said))
            try:
                yield f"http://127.0.0.1:{port}"
            finally:
                process.terminate()
                process.stdout.read()


def test_it_starts_without_node_and_serves_pages_with_their_style(platform: str) -> None:
    host = {"Host": f"localhost:{platform.rpartition(':')[2]}"}
    with httpx.Client(base_url=platform, headers=host) as client:
        assert client.get("/api/v1/health").status_code == 200
        page = client.get("/sign-in")
        assert page.status_code == 200
        styles = re.findall(r'href="(/static/[^"]+\.css)"', page.text)
        assert styles
        for style in styles:
            assert client.get(style).headers["content-type"].startswith("text/css")
