"""The line by which a login shell of any kind becomes a command."""

import subprocess

import pytest

from specola.hosts.commands import Marked, line_for, new_mark

ODD = ("it's", '$HOME `id` "q"', "new\nline", "!!", "\\n\\0", "", "-n", "%s", "é", "".join(map(chr, range(1, 256))))


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_shell_hands_on_every_argument_as_it_is(shell: str) -> None:
    mark = new_mark()
    done = subprocess.run([shell, "-c", line_for(["printf", "%s\\0", *ODD], mark)], capture_output=True, check=True)
    assert tuple(done.stdout.removeprefix(mark).decode().split("\0")[:-1]) == ODD
    assert done.stderr == mark


def test_the_line_holds_nothing_that_any_shell_would_read() -> None:
    # csh takes `!` for history and no lines in quotes; fish takes backslashes before quotes and backslashes.
    quoted = line_for(["echo", *ODD], b"[m]").split("'")[3]
    assert quoted.isascii()
    assert not set(quoted) & set("!\n'")
    assert "\\\\" not in quoted


def test_what_comes_before_the_mark_is_noise_however_it_is_cut() -> None:
    told = b"Welcome! [not it] [mark]answer"
    for size in range(1, len(told)):
        output = Marked(b"[mark]")
        parts = [output.feed(told[start : start + size]) for start in range(0, len(told), size)]
        assert b"".join(parts) == b"answer"
        assert (output.found, output.noise) == (True, b"Welcome! [not it] ")
