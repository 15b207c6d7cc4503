"""The offer of a computing: what contradicts itself is refused, with the part that does."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from specola.domain.errors import InvalidError
from specola.domain.offer import Amounts, Offer


def test_nothing_said_is_no_limit() -> None:
    assert Offer() == Offer(maximum=Amounts(), default=Amounts(), partitions=(), projects=(), options={})


@pytest.mark.parametrize(
    ("made", "field"),
    [
        (lambda: Amounts(cpus=0), "cpus"),
        (lambda: Amounts(cpus=float("nan")), "cpus"),
        (lambda: Amounts(memory=0), "memory"),
        (lambda: Amounts(gpus=-1), "gpus"),
        (lambda: Amounts(time=timedelta()), "time"),
        (lambda: Offer(partitions=("a", "a")), "partitions"),
        (lambda: Offer(projects=("--wrap=x",)), "projects"),
        (lambda: Offer(options={"qos": ("a b",)}), "options.qos"),
        (lambda: Offer(options={"$(x)": ()}), "options"),
        (lambda: Offer(maximum=Amounts(cpus=2), default=Amounts(cpus=4)), "default.cpus"),
        (lambda: Offer(maximum=Amounts(gpus=0), default=Amounts(gpus=1)), "default.gpus"),
        (
            lambda: Offer(maximum=Amounts(time=timedelta(hours=1)), default=Amounts(time=timedelta(hours=2))),
            "default.time",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_field(made: Callable[[], object], field: str) -> None:
    with pytest.raises(InvalidError) as refused:
        made()
    assert refused.value.field == field
