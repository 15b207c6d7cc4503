"""The lab's Slurm ends a job at its time limit, which it looks for every half minute."""

import pytest

from tests.support.lab import Account

pytestmark = pytest.mark.containers


def test_a_job_ends_at_its_time_limit(ann: Account, endless: str) -> None:
    assert ann.ends(endless, seconds=120) == "TIMEOUT"
