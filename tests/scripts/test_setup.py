"""Set-up: what is missing is named with its reason, and nothing is done twice."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import setup
from scripts.images import images
from scripts.machine import ROOT, FailedError, content_hash, limits
from scripts.setup import Need, install, missing

THERE = Need(("there",), "is there", lambda: True)
LACKING = Need(("sun", "moon"), "give light", lambda: False)


def test_only_what_is_missing_is_named() -> None:
    assert missing([THERE, LACKING]) == [LACKING]


def test_nothing_missing_installs_nothing() -> None:
    install([THERE])


@pytest.fixture
def readable_clone() -> Iterator[Path]:
    """A copy of the scripts where every user can read it; a clone may lie where only root can look."""
    with tempfile.TemporaryDirectory(prefix="specola-") as name:
        Path(name).chmod(0o755)
        shutil.copytree(ROOT / "scripts", Path(name) / "scripts")
        yield Path(name)


def test_without_root_one_command_to_paste_is_printed(readable_clone: Path) -> None:
    code = (
        "from scripts.machine import FailedError; from scripts.setup import Need, install\n"
        "try: install([Need(('sun', 'moon'), 'gives light', lambda: False)])\n"
        "except FailedError as error: print(error)"
    )
    is_root = os.geteuid() == 0
    done = subprocess.run(
        # Our own interpreter may lie where only root can look, too.
        ["/usr/bin/python3" if is_root else sys.executable, "-B", "-c", code],
        cwd=readable_clone,
        user="nobody" if is_root else None,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Missing: sun moon: it gives light." in done.stderr
    assert done.stdout.count("sudo apt-get install --yes --no-install-recommends sun moon") == 1


def test_every_need_of_a_run_is_also_one_of_the_tests() -> None:
    assert set(setup.TO_RUN) <= set(setup.TO_TEST)


def test_a_hash_changes_with_names_content_and_salt() -> None:
    file = ROOT / "images/sum/server.py"
    hashes = {content_hash([file]), content_hash([file], salt="other"), content_hash([file.parent]), content_hash([])}
    assert len(hashes) == 4
    assert content_hash([file]) in hashes


def test_limits_are_never_above_our_own() -> None:
    words = limits()
    assert words[::2] == ["--ulimit", "--ulimit"]
    for word in words[1::2]:
        soft, hard = map(int, word.partition("=")[2].split(":"))
        assert 0 < soft <= hard <= 8192


def in_environment(code: str, **environment: str) -> str:
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    command = [sys.executable, "-c", f"from scripts.machine import *; print({code})"]
    done = subprocess.run(command, cwd=ROOT, env={**kept, **environment}, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_package_settings_come_from_files_and_then_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "pip.conf"
    file.write_text("[global]\nindex-url = https://mirror.example/simple\ntimeout = 5\n", encoding="utf-8")
    home = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": str(file)}
    assert in_environment("pip_settings()['index-url']", **home) == "https://mirror.example/simple"
    assert in_environment("pip_settings()['timeout']", **home, PIP_TIMEOUT="9") == "9"


def test_a_bundle_that_is_named_is_believed(tmp_path: Path) -> None:
    bundle = tmp_path / "authorities.pem"
    bundle.write_text("", encoding="utf-8")
    nothing = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": os.devnull}
    assert in_environment("certificates()", **nothing, PIP_CERT=str(bundle)) == str(bundle)


def test_an_unknown_image_is_refused_by_name() -> None:
    with pytest.raises(FailedError, match="There is no image moon; there are ds9, jupyterlab, postgresql, sum, topcat"):
        images(["moon"])
