"""The size budgets: what is over them is found, what is within them is not."""

import textwrap

import pytest

from scripts.budgets import FILE_LINES, USUAL_FILE_LINES, excesses

FILE = "src/specola/services/tasks.py"


def texts(source: str, *, file: str = FILE) -> list[str]:
    return [one.text for one in excesses(file, textwrap.dedent(source))]


def test_a_long_file_is_noted_and_a_longer_one_refused() -> None:
    assert [one.allowed for one in excesses(FILE, "\n" * (USUAL_FILE_LINES + 1))] == [True]
    assert [one.allowed for one in excesses(FILE, "\n" * (FILE_LINES + 1))] == [False]


@pytest.mark.parametrize(("lines", "allowed"), [(40, []), (41, [True]), (60, [True]), (61, [False])])
def test_a_body_is_counted_without_its_docstring(lines: int, allowed: list[bool]) -> None:
    body = "    x = 1\n" * lines
    source = f'def f():\n    """Say\n\n    what.\n    """\n{body}'
    assert [one.allowed for one in excesses(FILE, source)] == allowed


def test_too_many_parameters_are_refused_but_for_keyword_only_constructors() -> None:
    assert texts("def f(a, b, c, d, e, g, h): pass") == ["f: 7 parameters (limit 6)"]
    assert texts("class C:\n    def __init__(self, *, a, b, c, d, e, f, g): pass") == []
    assert texts("class C:\n    def __init__(self, a, *, b, c, d, e, f, g): pass") == [
        "__init__: 7 parameters (limit 6)"
    ]


def test_own_modules_are_imported_at_the_top_except_by_the_command_line() -> None:
    source = "def f():\n    from specola.domain.task import Task\n    import json\n"
    assert texts(source) == ["f: imports specola.domain.task inside"]
    assert texts(source, file="src/specola/cli/main.py") == []
