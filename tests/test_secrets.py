"""Sealing: what is sealed opens with the same key for the same purpose, and not otherwise."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from specola.domain.errors import KeyFileError, SealError
from specola.secrets import Sealer, hashed


@pytest.fixture
def sealer() -> Sealer:
    return Sealer(os.urandom(32))


@pytest.mark.parametrize("text", ["", "secret", "geh\u00e4im \U0001f511", "x" * 10_000])
def test_what_is_sealed_opens(sealer: Sealer, text: str) -> None:
    sealed = sealer.seal(text, purpose="task a")
    assert sealer.open(sealed, purpose="task a") == text
    assert sealer.seal(text, purpose="task a") != sealed


def test_it_does_not_open_for_another_purpose_or_with_another_key(sealer: Sealer) -> None:
    sealed = sealer.seal("secret", purpose="task a")
    with pytest.raises(SealError):
        sealer.open(sealed, purpose="task b")
    with pytest.raises(SealError):
        Sealer(bytes(32)).open(sealed, purpose="task a")


def test_what_was_changed_does_not_open(sealer: Sealer) -> None:
    sealed = sealer.seal("secret", purpose="task a")
    for place in range(len(sealed)):
        changed = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(SealError):
            sealer.open(changed, purpose="task a")
    for short in (b"", sealed[:5], sealed[:12], sealed[:-1]):
        with pytest.raises(SealError):
            sealer.open(short, purpose="task a")


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "key"
    sealed = Sealer.make(path).seal("secret", purpose="x")
    assert Sealer.make(path).open(sealed, purpose="x") == "secret"
    assert Sealer.read(path).open(sealed, purpose="x") == "secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [one.name for one in path.parent.iterdir()] == ["key"]


def test_processes_that_make_the_key_at_once_get_the_same(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with ThreadPoolExecutor(8) as pool:
        sealers = list(pool.map(lambda _: Sealer.make(path), range(16)))
    sealed = sealers[0].seal("secret", purpose="x")
    assert {one.open(sealed, purpose="x") for one in sealers} == {"secret"}
    assert [one.name for one in tmp_path.iterdir()] == ["key"]


@pytest.mark.parametrize(
    ("content", "mode", "complaint"),
    [
        (b"", 0o600, "32 bytes"),
        (bytes(31), 0o600, "32 bytes"),
        (bytes(33), 0o600, "32 bytes"),
        (bytes(32), 0o640, "0600"),
    ],
)
def test_a_file_that_is_no_key_is_refused(tmp_path: Path, content: bytes, mode: int, complaint: str) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=complaint):
        Sealer.read(path)


def test_a_key_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="No such file"):
        Sealer.read(tmp_path / "key")


def test_whatever_text_comes_has_a_hash() -> None:
    assert hashed("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert len({hashed(text) for text in ("", "\0", "\ud800", "\udfff", "x" * 100_000)}) == 5
