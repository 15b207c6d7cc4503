"""The offer of a computing: what contradicts itself is refused, with the part that does."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from specola.domain.errors import InvalidError
from specola.domain.offer import Amounts, Offer
from specola.domain.reference import ImageReference


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
        (lambda: Offer(mirrors={"ubuntu": "mirror.example"}), "mirrors"),
        (lambda: Offer(mirrors={"docker.io/library": "https://mirror.example"}), "mirrors"),
        (lambda: Offer(mirrors={"docker.io": "mirror.example/a:1"}), "mirrors"),
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


@pytest.mark.parametrize(
    ("image", "there"),
    [
        ("localhost/specola/sum:1.0", "10.0.0.1:5000/sum:1.0"),
        ("localhost/specola-test/sum", "localhost/specola-test/sum"),
        ("quay.io/jupyter/base-notebook:1", "mirror.example/quay/jupyter/base-notebook:1"),
        ("ghcr.io/a/b:1", "ghcr.io/a/b:1"),
        ("postgres:15", "mirror.example/hub/postgres:15"),
        (f"quay.io/inner/a@sha256:{'0' * 64}", f"other.example/a@sha256:{'0' * 64}"),
    ],
)
def test_an_image_is_had_from_the_mirror_of_the_longest_beginning(image: str, there: str) -> None:
    mirrors = {
        "localhost/specola": "10.0.0.1:5000",
        "quay.io": "mirror.example/quay",
        "quay.io/inner": "other.example",
        "docker.io": "mirror.example/hub",
    }
    assert Offer(mirrors=mirrors).found_at(ImageReference.parse(image)).text == there
