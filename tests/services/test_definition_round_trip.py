"""Definitions: what is written reads back, and no text does harm."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings, strategies as st

from specola.domain.errors import DefinitionError
from specola.domain.software import (
    CAPABILITIES,
    Activity,
    CredentialUse,
    CredentialWay,
    Health,
    HomeAccess,
    Interface,
    Origin,
    Parameter,
    ParameterKind,
    PreStop,
    Protocol,
    Release,
    Resources,
    RunsAs,
    Software,
)
from specola.services.definition import read_definition, write_definition

LINE = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30)
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\t"), max_size=60)
FILLED = TEXT.filter(lambda text: "{" not in text)
NAME = st.from_regex(r"[a-z0-9]{1,8}(-[a-z0-9]{1,8}){0,2}", fullmatch=True)
VARIABLE = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True).filter(
    lambda name: not name.upper().startswith("SPECOLA_")
)
PATH = st.from_regex(r"/[a-z0-9]{1,8}(/[a-z0-9%.?=&]{0,8}){0,2}", fullmatch=True)
IGNORED = st.one_of(PATH, PATH.map("GET {}".format))
SIZE = st.integers(16 * 1024**2, 1024**4)


def whole(time: timedelta) -> timedelta:
    """Return a time without its part of a second."""
    return timedelta(seconds=int(time.total_seconds()))


DURATION = st.timedeltas(timedelta(seconds=1), timedelta(days=3660)).map(whole)
CREDENTIALS = st.sampled_from(
    [
        None,
        CredentialUse(way=CredentialWay.HEADER, template="Authorization: token {credential}"),
        CredentialUse(way=CredentialWay.BASIC, template="user:{credential}"),
        CredentialUse(way=CredentialWay.QUERY, template="t={credential}"),
        CredentialUse(way=CredentialWay.COOKIE, template="c={credential}"),
    ]
)
WEB_INTERFACE = st.builds(
    Interface,
    name=NAME,
    port=st.integers(1, 65535),
    protocol=st.sampled_from([Protocol.HTTP, Protocol.HTTPS]),
    open=PATH | st.just("/"),
    credential=CREDENTIALS,
    health=st.none() | st.builds(Health, path=PATH, expect=st.sampled_from(["100-599", "200", "200-399, 401"])),
    activity=st.builds(Activity, ignore=st.lists(IGNORED, max_size=2).map(tuple), pings=st.integers(0, 125)),
    origin=st.sampled_from(Origin),
)
OTHER_INTERFACE = st.builds(
    Interface,
    name=NAME,
    port=st.integers(1, 65535),
    protocol=st.sampled_from([one for one in Protocol if not one.opens_in_browser and one is not Protocol.TERMINAL]),
)
PARAMETER = st.one_of(
    st.builds(Parameter, name=VARIABLE, title=LINE, default=TEXT),
    st.builds(
        Parameter,
        name=VARIABLE,
        kind=st.just(ParameterKind.NUMBER),
        minimum=st.none() | st.floats(-1e6, 0),
        maximum=st.none() | st.floats(1, 1e6),
        default=st.sampled_from(["", "0", "0.5"]),
    ),
    st.builds(Parameter, name=VARIABLE, kind=st.just(ParameterKind.CHOICE), choices=st.tuples(LINE, LINE)),
)
RELEASE = st.builds(
    Release,
    id=st.just(""),
    version=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,10}", fullmatch=True),
    image=st.sampled_from(["sum", "localhost/specola/sum:1", "quay.io:443/a/b@sha256:" + "0" * 64]),
    command=st.lists(FILLED, max_size=3).map(tuple),
    environment=st.dictionaries(VARIABLE, FILLED, max_size=3),
    resources=st.builds(
        Resources, cpus=st.floats(0.01, 4096), memory=SIZE, shm=st.integers(0, 1024**4), gpus=st.integers(0, 64)
    )
    | st.builds(Resources, gpus=st.integers(1, 64), gpu_model=st.sampled_from(["a100", "NVIDIA-A100-PCIE-40GB"])),
    time=st.none() | DURATION,
    pre_stop=st.none()
    | st.builds(
        PreStop,
        command=st.lists(FILLED, min_size=1, max_size=3).map(tuple),
        time=st.timedeltas(timedelta(seconds=1), timedelta(minutes=10)).map(whole),
    ),
    user=st.just(RunsAs.IMAGE),
    home=st.none() | st.sampled_from(["/home/jovyan", "/data"]),
    home_access=st.sampled_from(HomeAccess),
    scratch=st.none() | st.just("/scratch"),
    capabilities=st.lists(st.sampled_from(sorted(CAPABILITIES)), unique=True, max_size=2).map(tuple),
    interfaces=st.lists(WEB_INTERFACE | OTHER_INTERFACE, max_size=3, unique_by=lambda one: one.name).map(tuple),
    parameters=st.lists(PARAMETER, max_size=2, unique_by=lambda one: one.name).map(tuple),
).map(lambda one: one if one.home else replace(one, home_access=HomeAccess.WRITE))
SOFTWARE = st.builds(
    Software,
    id=st.just(""),
    name=NAME,
    title=LINE.filter(bool),
    description=TEXT,
    needs_registry=st.booleans(),
    tags=st.lists(st.sampled_from(["python", "été", "on", "1.0", "null"]), max_size=2).map(tuple),
    homepage=st.sampled_from(["", "https://example.test/a?b=c#d"]),
    releases=st.lists(RELEASE, min_size=1, max_size=3, unique_by=lambda one: one.version).map(tuple),
)


@settings(max_examples=150, deadline=None)
@given(SOFTWARE)
def test_what_is_written_reads_back_as_the_same_value(software: Software) -> None:
    assert read_definition(write_definition(software)).software == software


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300) | st.text("[]{}:-,&*!|>'\"%@` \n#ab1", max_size=300))
def test_any_text_is_read_or_refused_as_a_definition(text: str) -> None:
    # Any other error would be a fault of ours, and of any size of text a crash that a person can cause.
    with suppress(DefinitionError):
        read_definition(text)
