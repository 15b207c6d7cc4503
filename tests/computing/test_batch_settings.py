"""Settings of batch computings: what a record may say, and what it may not."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from specola.computing.batch import BatchSettings
from specola.computing.batch.agent.manifest import Platform
from specola.computing.batch.arrivals import Arrivals
from specola.computing.batch.config import not_a_persons
from specola.computing.batch.outward import platform_of
from specola.computing.batch.reaching import ladder
from specola.domain.errors import InvalidError

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
        {"platform_url": "http://specola.example.org"},
        {"platform_url": "https://ada:secret@specola.example.org"},
        {"platform_url": "https://specola.example.org/?token=a"},
        {"platform_url": "specola.example.org"},
        {"platform_authority": "-----BEGIN CERTIFICATE-----"},
        {"proxy": "http://ada:secret@proxy.example.org:3128"},
        {"proxy": "proxy.example.org:3128"},
        {"proxy": "http://proxy.example.org\r\nX: y"},
        {"colour": "blue"},
    ],
)
def test_what_could_mean_something_else_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**wrong)


def test_agents_dial_out_where_they_are_told_to_and_by_tls() -> None:
    public = "https://specola.example.org"
    assert platform_of(settings(), public) is None
    found = platform_of(settings(outward=True, proxy="http://proxy.example.org:3128"), public)
    assert found == Platform(public, "http://proxy.example.org:3128")
    other = settings(way="outward", platform_url="https://inside.example.org:8443/specola/")
    assert platform_of(other, public) == Platform("https://inside.example.org:8443/specola")
    assert platform_of(settings(way="outward"), "http://localhost:8080") == Platform("http://127.0.0.1:8080")
    with pytest.raises(InvalidError, match="TLS"):
        platform_of(settings(outward=True), "http://specola.example.org")


def test_way_outwards_is_the_last_and_the_connectors_alone() -> None:
    arrivals = Arrivals()

    def names(here: Arrivals | None, **more: Any) -> list[str]:
        return [way.name for way in ladder(settings(**more), here)]

    assert names(arrivals) == ["relay", "forward"]
    assert names(arrivals, outward=True) == ["relay", "forward", "outward"]
    assert names(arrivals, outward=True, way="forward") == ["forward", "outward"]
    assert names(arrivals, outward=True, scheduler="none") == ["direct", "relay", "outward"]
    assert names(arrivals, way="outward") == ["outward"]
    assert names(None, outward=True) == ["relay", "forward"]
    assert names(None, way="outward") == []


def test_people_do_not_decide_what_the_platform_does_itself() -> None:
    assert not_a_persons(settings()) == ""
    assert not_a_persons(settings(host=HOST | {"identity": "local"}))
    assert not_a_persons(settings(insecure_registries=["127.0.0.1:5000"]))
