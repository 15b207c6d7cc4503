"""The real program `specola`, run against a platform that really listens."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.callers import Callers, open_callers
from tests.support.harness import Platform, open_platform


@dataclass(frozen=True)
class Ran:
    """How a run of the program ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Program:
    """Runs `specola` with an environment of its own."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    async def __call__(self, *arguments: str, stdin: str = "", **environment: str) -> Ran:
        process = await self.start(*arguments, **environment)
        out, err = await process.communicate(stdin.encode())
        assert process.returncode is not None
        return Ran(process.returncode, out.decode(), err.decode())

    async def start(self, *arguments: str, **environment: str) -> asyncio.subprocess.Process:
        plain = {"PATH": os.environ["PATH"], "HOME": str(self.home), "PYTHONWARNINGS": "error"}
        return await asyncio.create_subprocess_exec(
            str(Path(sys.executable).parent / "specola"),
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**plain, **self.environment, **environment},
        )


@pytest.fixture(scope="module")
async def platform(anyio_backend: str) -> AsyncIterator[Platform]:
    async with open_platform() as running:
        yield running


@pytest.fixture(scope="module")
async def callers(platform: Platform) -> AsyncIterator[Callers]:
    async with open_callers(platform) as made:
        yield made


@pytest.fixture
def specola(tmp_path: Path) -> Program:
    """The program on a machine that is not signed in."""
    return Program(tmp_path)


@pytest.fixture
async def ada(platform: Platform, callers: Callers, tmp_path: Path) -> Program:
    """The program with ada's token."""
    return Program(tmp_path, {"SPECOLA_URL": platform.settings.url, "SPECOLA_TOKEN": await callers.token("ada")})
