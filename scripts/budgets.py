"""Keeps the code within its size budgets: short files, short functions, few parameters, imports at the top."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.machine import ROOT, say

__all__ = ["Excess", "excesses", "main", "tracked"]

FILE_LINES = 500
BODY_LINES = 60
PARAMETERS = 6
# Above these, what is still allowed is named as a warning.
USUAL_FILE_LINES = 400
USUAL_BODY_LINES = 40
LOADS_LATE = "src/specola/cli/"
"""The command line loads the module of a command when it is called, so that `specola ls` answers at once."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Excess:
    """One place over a budget; `allowed`: over the usual size, not over the limit."""

    file: str
    line: int
    text: str
    allowed: bool = False


def tracked(*patterns: str) -> list[Path]:
    """Return the files of the project that match, those not yet committed too."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def excesses(file: str, text: str) -> Iterator[Excess]:
    """Yield what is over a budget in one file.

    Parameters
    ----------
    file
        Its path from the root of the project, with slashes.
    text
        Its content.
    """
    lines = text.count("\n")
    if lines > USUAL_FILE_LINES:
        yield Excess(file, 1, f"{lines} lines (usual {USUAL_FILE_LINES}, limit {FILE_LINES})", lines <= FILE_LINES)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, Function):
            yield from _function_excesses(file, node)


def _function_excesses(file: str, node: Function) -> Iterator[Excess]:
    first = node.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and len(node.body) > 1
    size = (node.end_lineno or 0) - (node.body[1] if is_docstring else first).lineno + 1
    if size > USUAL_BODY_LINES:
        text = f"{node.name}: body of {size} lines (usual {USUAL_BODY_LINES}, limit {BODY_LINES})"
        yield Excess(file, node.lineno, text, size <= BODY_LINES)
    given = [one.arg for one in (*node.args.posonlyargs, *node.args.args) if one.arg not in {"self", "cls"}]
    count = len(given) + len(node.args.kwonlyargs)
    is_keyword_only_constructor = node.name == "__init__" and not given
    is_fixture_or_handler = file.startswith("tests/") or bool(node.decorator_list)
    if count > PARAMETERS and not is_keyword_only_constructor and not is_fixture_or_handler:
        yield Excess(file, node.lineno, f"{node.name}: {count} parameters (limit {PARAMETERS})")
    if not file.startswith(LOADS_LATE):
        yield from (Excess(file, line, f"{node.name}: imports {name} inside") for line, name in _own_imports(node))


def _own_imports(function: Function) -> Iterator[tuple[int, str]]:
    for node in ast.walk(function):
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").split(".")[0] == "specola"):
            yield node.lineno, node.module or "."
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, one.name) for one in node.names if one.name.split(".")[0] == "specola")


def main() -> int:
    """Report on the whole project; return an exit code."""
    found = [
        excess
        for path in tracked("*.py")
        for excess in excesses(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    ]
    for excess in sorted(found, key=lambda one: (one.file, one.line)):
        say(f"{'note' if excess.allowed else 'over budget'}: {excess.file}:{excess.line}: {excess.text}")
    return 1 if any(not excess.allowed for excess in found) else 0


if __name__ == "__main__":
    sys.exit(main())
