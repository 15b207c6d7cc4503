"""Local passwords: argon2id with good parameters, compared in threads and never more at once than there is room for."""

import asyncio
from typing import Literal

import pytest
from argon2 import Parameters, PasswordHasher, extract_parameters
from argon2.low_level import Type
from typing_extensions import override

from specola.identity.local import LocalPasswords
from specola.ports.identity import Passwords

pytestmark = pytest.mark.anyio


@pytest.fixture
def passwords() -> Passwords:
    """The real thing, made cheap."""
    return LocalPasswords(memory=8, rounds=1)


async def test_only_the_password_itself_fits(passwords: Passwords) -> None:
    kept = await passwords.hash("correct horse")
    assert await passwords.matches("correct horse", kept)
    for wrong in ("", "correct hors", "Correct horse", "correct horse\0", "\ud800"):
        assert not await passwords.matches(wrong, kept)


async def test_the_same_password_is_kept_differently_each_time(passwords: Passwords) -> None:
    assert await passwords.hash("correct horse") != await passwords.hash("correct horse")


@pytest.mark.parametrize("kept", ["", "plain", "$argon2id$v=19$m=8,t=1,p=1$", "$2b$12$abcdefghijklmnopqrstuv"])
async def test_what_is_no_hash_of_ours_fits_nothing(passwords: Passwords, kept: str) -> None:
    assert not await passwords.matches("plain", kept)


async def test_nobodys_password_fits_nothing_and_costs_as_much() -> None:
    """The answer for an unknown name takes one computation with the very parameters of a known one's."""
    computed: list[Parameters] = []

    class Noting(PasswordHasher):
        """The real thing, which also notes with what parameters it computed."""

        @override
        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
            computed.append(extract_parameters(str(hash)))
            return super().verify(hash, password)

    passwords = LocalPasswords(memory=16, rounds=2, hasher=Noting)
    kept = await passwords.hash("correct horse")
    assert not await passwords.matches("wrong", kept)
    assert not await passwords.matches("wrong", None)
    assert computed == [extract_parameters(kept)] * 2


async def test_passwords_are_kept_as_rfc_9106_says() -> None:
    parameters = extract_parameters(await LocalPasswords().hash("correct horse"))
    assert (parameters.type, parameters.memory_cost, parameters.time_cost) == (Type.ID, 64 * 1024, 3)


async def test_a_hash_with_weaker_parameters_is_outdated(passwords: Passwords) -> None:
    kept = await passwords.hash("correct horse")
    assert not passwords.is_outdated(kept)
    assert LocalPasswords(memory=16, rounds=1).is_outdated(kept)


async def test_the_loop_goes_on_while_passwords_are_computed() -> None:
    strong = LocalPasswords()
    computing = asyncio.gather(*(strong.hash("correct horse") for _ in range(4)))
    turns = 0
    while not computing.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert len(await computing) == 4
    assert turns > 10
