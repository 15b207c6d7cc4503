"""What a log line looks like, and what never stands in one."""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from specola.config import Settings
from specola.logging import STRUCK_OUT, configure

TOKEN = "specola_" + "x" * 43


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    stream = io.StringIO()
    configure(Settings(data=Path("/nowhere"), log_format="json"), process="web", to=stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def last(lines: io.StringIO) -> dict[str, object]:
    told: dict[str, object] = json.loads(lines.getvalue().splitlines()[-1])
    return told


def test_a_line_says_when_which_process_what_and_where(lines: io.StringIO) -> None:
    structlog.stdlib.get_logger("specola.test").info("started", task="k3f9x2ab4c", done=3)
    told = last(lines)
    assert (told["event"], told["process"], told["level"]) == ("started", "web", "info")
    assert (told["task"], told["done"], told["logger"]) == ("k3f9x2ab4c", 3, "specola.test")


@pytest.mark.parametrize("name", ["password", "token", "Cookie", "authorization", "secret_key", "credential", "link"])
def test_what_is_called_a_secret_is_struck_out(lines: io.StringIO, name: str) -> None:
    structlog.stdlib.get_logger("specola.test").info("x", **{name: "hunter2"}, inner={"deep": [{name: "hunter2"}]})
    assert "hunter2" not in lines.getvalue()
    assert last(lines)[name] == STRUCK_OUT


@pytest.mark.parametrize(
    "text",
    [
        f"sent {TOKEN} along",
        "Authorization: Bearer abcdefghijkl",
        "postgresql://user:abcdefghijkl@host/name",
        "GET /.specola/enter?code=abcdefghijkl&x=1",
        "open http://localhost/sign-in/link#abcdefghijklabcdefghijklabcdefghijkl",
    ],
)
def test_what_looks_like_a_secret_is_struck_out_of_texts_of_libraries_too(lines: io.StringIO, text: str) -> None:
    logging.getLogger("library").warning("it said %s", text)
    assert "abcdefghijkl" not in lines.getvalue()
    assert TOKEN not in lines.getvalue()
    assert STRUCK_OUT in str(last(lines)["event"])


def test_a_traceback_is_struck_out(lines: io.StringIO) -> None:
    try:
        int(f"bad {TOKEN}")
    except ValueError:
        structlog.stdlib.get_logger("specola.test").exception("failed")
    assert "ValueError" in str(last(lines)["exception"])
    assert TOKEN not in lines.getvalue()
