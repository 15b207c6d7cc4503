"""Settings of batch computings: what a record may say, and what it may not."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from specola.computing.batch import BatchSettings
from specola.computing.batch.config import not_a_persons

HOST = {"address": "login.cluster.test"}


def settings(**more: Any) -> BatchSettings:
    return BatchSettings.model_validate({"host": HOST, **more})


def test_address_alone_is_enough() -> None:
    usual = settings()
    assert (usual.scheduler, usual.runtime, usual.folder) == ("slurm", "auto", "~/.specola")
    assert (usual.usual_time, usual.before_limit) == (None, timedelta(minutes=1))
    assert settings(time="8h", clean_stop="").usual_time == timedelta(hours=8)
    assert settings(clean_stop="").before_limit == timedelta()


@pytest.mark.parametrize(
    "wrong",
    [
        {"folder": "relative"},
        {"folder": "~/../other"},
        {"home": "/home/{person}"},
        {"scratch": "/scratch/$(id)"},
        {"images": "/a;b"},
        {"path": ["bin"]},
        {"python": "python3 -c"},
        {"partition": "--wrap"},
        {"time": "soon"},
        {"image_memory": "much"},
        {"insecure_registries": ["localhost"]},
        {"colour": "blue"},
    ],
)
def test_what_could_mean_something_else_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**wrong)


def test_people_do_not_decide_what_the_platform_does_itself() -> None:
    assert not_a_persons(settings()) == ""
    assert not_a_persons(settings(host=HOST | {"identity": "local"}))
    assert not_a_persons(settings(insecure_registries=["127.0.0.1:5000"]))
