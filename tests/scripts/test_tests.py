"""What tests need of a machine is made before they run: `scripts.tests` knows where it is needed."""

from pathlib import Path

import pytest

from scripts.machine import ROOT
from scripts.tests import ON_KUBERNETES, ON_LAB, names


@pytest.mark.parametrize(("mark", "known"), [("lab", ON_LAB), ("kubernetes", ON_KUBERNETES)])
def test_folders_of_tests_that_need_a_place_are_known(mark: str, known: tuple[str, ...]) -> None:
    here = Path(__file__)
    files = [file for file in (ROOT / "tests").rglob("*.py") if f"mark.{mark}" in file.read_text() and file != here]
    assert files
    strange = [file for file in files if not names([str(file.relative_to(ROOT))], known)]
    assert not strange


def test_folder_file_and_whole_name_what_stands_on_the_lab() -> None:
    for word in ("tests", "tests/", "tests/computing", "tests/contract/test_computing.py::test_logs", "tests/hosts"):
        assert names([word], ON_LAB), word
    for word in ("tests/gateway", "-k", "tests/computing/test_pool.py"):
        assert not names([word], ON_LAB), word
