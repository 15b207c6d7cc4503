"""The shipped catalogue: every entry is a valid definition that runs as little privileged as it can."""

from pathlib import Path

import pytest

from scripts.images import images
from specola.catalogue import shipped
from specola.domain.software import Protocol, RunsAs, Software
from specola.services.definition import read_definition, write_definition

FOLDER = Path(__file__).parents[2] / "src/specola/catalogue"
ENTRIES = {one.software.name: one.software for one in map(read_definition, shipped())}


def test_each_file_is_an_entry_called_like_it() -> None:
    assert sorted(ENTRIES) == sorted(file.stem for file in FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_an_entry_says_what_it_is_and_serves(entry: Software) -> None:
    assert entry.title
    assert entry.description.endswith(".")
    assert entry.tags
    assert entry.current.interfaces


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_an_entry_survives_export_and_import(entry: Software) -> None:
    assert read_definition(write_definition(entry)).software == entry


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_no_credential_stands_in_a_command_line(entry: Software) -> None:
    assert not [word for word in entry.current.command if "{credential}" in word]


def test_the_demonstrations_are_exactly_the_images_built_here() -> None:
    local = {entry.current.image for entry in ENTRIES.values() if not entry.needs_registry}
    assert local == {image.reference for image in images()}


def test_the_demonstrations_run_as_the_owner_of_the_home_without_capabilities() -> None:
    for entry in (one for one in ENTRIES.values() if not one.needs_registry):
        assert entry.current.user is RunsAs.HOME
        assert entry.current.capabilities == ()


def test_what_needs_a_registry_names_one() -> None:
    for entry in (one for one in ENTRIES.values() if one.needs_registry):
        assert not entry.current.image.startswith("localhost/")


def test_each_protocol_that_needs_its_own_client_is_shown_by_an_entry() -> None:
    spoken = {interface.protocol for entry in ENTRIES.values() for interface in entry.current.interfaces}
    assert {Protocol.HTTP, Protocol.HTTPS, Protocol.RFB, Protocol.POSTGRES, Protocol.MYSQL, Protocol.REDIS} <= spoken
