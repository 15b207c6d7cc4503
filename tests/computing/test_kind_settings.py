"""Settings of kinds: described for forms, checked, and secrets taken apart, for every kind there is."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from ipaddress import IPv4Network
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from specola.computing.kinds import KINDS, Kind
from specola.computing.known_kinds import KnownKinds
from specola.computing.settings import described, secret_paths
from specola.domain.errors import DefinitionError, InvalidError
from specola.hosts.config import HostSettings
from specola.ports.kinds import Setting, SettingInput


class Colour(StrEnum):
    """A choice."""

    RED = "red"
    BLUE = "blue"


class Login(BaseModel):
    """A table."""

    model_config = ConfigDict(extra="forbid")

    user: str
    password: SecretStr | None = None


class Odd(BaseModel):
    """Settings of every sort."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    address: Annotated[str, Field(title="Where")]
    """The place it is at."""
    port: Annotated[int, Field(ge=1)] = 22
    colour: Colour = Colour.RED
    loud: bool = False
    names: tuple[str, ...] = ("a", "b")
    networks: tuple[IPv4Network, ...] = ()
    labels: Mapping[str, str] = Field(default_factory=dict)
    rest: timedelta | None = None
    rules: tuple[Mapping[str, Any], ...] = ()
    token: SecretStr = SecretStr("")
    login: Login | None = None
    host: HostSettings | None = None


def opened(*_: object) -> Any:
    """Open nothing: these settings are only read."""
    raise AssertionError


ODD = KnownKinds(
    {"odd": Kind(title="Odd", settings=Odd, opener=opened, own=lambda odd: "too loud" if odd.loud else "")}
)


def flat(settings: Sequence[Setting]) -> Iterator[Setting]:
    """Yield settings with those below them."""
    for setting in settings:
        yield setting
        yield from flat(setting.settings)


def test_every_setting_has_a_field_that_fits_it() -> None:
    found = {one.path: one for one in flat(described(Odd))}
    inputs = {path: one.input for path, one in found.items() if not path.startswith("host.")}
    assert inputs == {
        "address": SettingInput.TEXT,
        "port": SettingInput.NUMBER,
        "colour": SettingInput.CHOICE,
        "loud": SettingInput.FLAG,
        "names": SettingInput.LINES,
        "networks": SettingInput.LINES,
        "labels": SettingInput.PAIRS,
        "rest": SettingInput.TEXT,
        "rules": SettingInput.YAML,
        "token": SettingInput.SECRET,
        "login": SettingInput.TABLE,
        "login.user": SettingInput.TEXT,
        "login.password": SettingInput.SECRET,
        "host": SettingInput.TABLE,
    }
    assert (found["address"].title, found["address"].description) == ("Where", "The place it is at.")
    assert [one for one in found.values() if one.required] == [
        found["address"],
        found["login.user"],
        found["host.address"],
        found["host.jump.address"],
    ]
    assert (found["port"].default, found["names"].default, found["loud"].default) == ("22", "a\nb", "false")
    assert (found["colour"].default, found["colour"].choices) == ("red", ("red", "blue"))
    assert found["host.jump.jump"].input is SettingInput.YAML


def test_secrets_are_taken_apart_wherever_they_are() -> None:
    assert secret_paths(Odd) == ("token", "login.password")
    said = {
        "address": "x",
        "port": "23",
        "token": "t",
        "login": {"user": "u", "password": "p"},
        "networks": ["10.0.0.0/8"],
    }
    checked = ODD.check("odd", said)
    assert checked.settings == {"address": "x", "port": 23, "login": {"user": "u"}, "networks": ["10.0.0.0/8"]}
    assert checked.secrets == {"token": "t", "login.password": "p"}
    assert "login.password" not in repr(checked)
    assert ODD.check("odd", {"address": "x", "login": {"user": "u"}}).secrets == {}


def test_faults_name_their_place_and_never_what_was_said() -> None:
    with pytest.raises(DefinitionError) as refused:
        ODD.check(
            "odd", {"port": "canary", "login": {"pasword": "canary"}, "networks": ["canary"], "token": ["canary"]}
        )
    assert [one.field for one in refused.value.problems] == [
        "settings.address",
        "settings.port",
        "settings.networks[0]",
        "settings.token",
        "settings.login.user",
        "settings.login.pasword",
    ]
    assert not any("canary" in one.sentence for one in refused.value.problems)
    with pytest.raises(InvalidError, match="no kind of computing"):
        ODD.check("even", {})


@pytest.mark.parametrize(
    ("settings", "own"),
    [
        ({}, ""),
        ({"loud": True}, "too loud"),
        ({"host": {"address": "h", "identity": "key"}}, ""),
        ({"host": {"address": "h"}}, "a key of your own"),
        ({"host": {"address": "h", "identity": "shared", "account": "root"}}, "a key of your own"),
        ({"host": {"address": "h", "identity": "local"}}, "a key of your own"),
    ],
)
def test_what_is_not_a_persons_to_decide_is_told(settings: dict[str, Any], own: str) -> None:
    assert own in (told := ODD.check("odd", {"address": "x", **settings}).own)
    assert bool(told) == bool(own)


HOST = {"address": "h", "identity": "key", "keys": ["ssh-ed25519 AAAA"]}


@pytest.mark.parametrize(
    ("kind", "settings", "is_own"),
    [
        ("engine", {"host": HOST}, True),
        ("engine", {}, False),
        ("engine", {"url": "tcp://127.0.0.1:2375"}, False),
        ("engine", {"host": HOST, "helper": "/etc/shadow"}, False),
        ("engine", {"host": HOST, "file_server": "/etc/shadow"}, False),
        ("engine", {"host": HOST, "insecure_registries": ["registry.test:5000"]}, False),
        ("batch", {"host": HOST}, True),
        ("batch", {"host": {**HOST, "identity": "certificate"}}, False),
        ("batch", {"host": {**HOST, "identity": "shared", "account": "root"}}, False),
    ],
)
def test_nobody_reaches_what_is_the_platforms_by_a_computing_of_their_own(
    kind: str,
    settings: dict[str, Any],
    is_own: bool,  # noqa: FBT001 - what is expected
) -> None:
    assert (KnownKinds().check(kind, settings).own == "") is is_own


@pytest.mark.parametrize("kind", KINDS)
def test_the_settings_of_each_kind_can_be_shown_and_begun_with(kind: str) -> None:
    known = KnownKinds()
    for setting in flat(known.settings(kind)):
        assert setting.title
    for start in KINDS[kind].starts:
        assert start.title
        assert start.sentence.endswith(".")
        paths = {one.path for one in flat(known.settings(kind))}
        assert set(start.settings) <= paths
