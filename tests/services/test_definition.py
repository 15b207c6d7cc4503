"""Definitions: what is read, and how faults are told."""

import json

import pytest

from specola.domain.errors import DefinitionError, Problem
from specola.domain.software import (
    Activity,
    CredentialUse,
    CredentialWay,
    Health,
    HomeAccess,
    Interface,
    Origin,
    Parameter,
    ParameterKind,
    Protocol,
    Release,
    Resources,
    RunsAs,
    Software,
)
from specola.services.definition import LARGEST, read_definition

GIB = 1024**3
WHOLE = """
software: jupyterlab
title: JupyterLab
description: |
  Notebooks.
  In a browser.
homepage: https://jupyter.org
tags: [notebook, python]
needs_registry: yes
version: 1.10
image: quay.io/jupyter/scipy-notebook:2026-10-01
command: [start, "--depth={parameters.depth}", no]
environment: {JUPYTER_TOKEN: "{credential}", JSON: '{"a": 1}', EMPTY: , NUMBER: 0123}
resources: {cpus: 2, memory: 4GiB, gpus: 0, shm: 128MiB}
user: home
home: /home/jovyan
home_access: read
scratch: /scratch
capabilities: [CHOWN]
interfaces:
  - name: lab
    port: 8888
    protocol: http
    open: /lab
    credential: {header: "Authorization: token {credential}"}
    health: {path: /api, expect: "200-399,401,403"}
    activity: {ignore: ["/api/metrics"]}
    origin: rewrite
  - {name: db, port: 5432, protocol: postgres}
parameters:
  - {name: depth, title: Depth, kind: number, default: 3, minimum: 1, maximum: 9.5}
"""


def read(text: str) -> Software:
    return read_definition(text).software


def faults(text: str) -> list[Problem]:
    with pytest.raises(DefinitionError) as caught:
        read_definition(text)
    return list(caught.value.problems)


def test_every_key_is_read_as_it_is_meant() -> None:
    software = read(WHOLE)
    assert (software.name, software.title, software.description) == (
        "jupyterlab",
        "JupyterLab",
        "Notebooks.\nIn a browser.\n",
    )
    assert software.needs_registry
    assert software.tags == ("notebook", "python")
    release = software.current
    assert release.version == "1.10"
    assert release.command == ("start", "--depth={parameters.depth}", "no")
    assert release.environment == {
        "JUPYTER_TOKEN": "{credential}",
        "JSON": '{"a": 1}',
        "EMPTY": "",
        "NUMBER": "0123",
    }
    assert release.resources == Resources(cpus=2, memory=4 * GIB, shm=128 * 1024**2, gpus=0)
    assert (release.user, release.home, release.capabilities) == (RunsAs.HOME, "/home/jovyan", ("CHOWN",))
    assert (release.home_access, release.scratch) == (HomeAccess.READ, "/scratch")
    assert release.interfaces == (
        Interface(
            name="lab",
            port=8888,
            protocol=Protocol.HTTP,
            open="/lab",
            credential=CredentialUse(way=CredentialWay.HEADER, template="Authorization: token {credential}"),
            health=Health(path="/api", expect="200-399,401,403"),
            activity=Activity(ignore=("/api/metrics",)),
            origin=Origin.REWRITE,
        ),
        Interface(name="db", port=5432, protocol=Protocol.POSTGRES),
    )
    assert release.parameters == (
        Parameter(name="depth", title="Depth", kind=ParameterKind.NUMBER, default="3", minimum=1, maximum=9.5),
    )


def test_the_least_definition_gets_the_usual_values() -> None:
    software = read("software: sum\nimage: sum\n")
    assert software == Software(
        id="", name="sum", title="sum", releases=(Release(id="", version="", image="sum", resources=Resources()),)
    )


def test_json_is_read_like_yaml() -> None:
    table = {"software": "x", "title": "😀 tab\there", "image": "a/b:1", "interfaces": [{"name": "w", "port": 80}]}
    assert read(json.dumps(table, indent="\t")) == read(json.dumps(table, ensure_ascii=False))
    assert read(json.dumps(table)).title == "😀 tab\there"


def test_releases_are_listed_or_the_one_stands_flat() -> None:
    text = "software: x\nreleases:\n  - {version: '2', image: 'x:2'}\n  - {version: '1', image: 'x:1'}\n"
    definition = read_definition(text)
    assert definition.listed
    assert [(one.version, one.image) for one in definition.software.releases] == [("2", "x:2"), ("1", "x:1")]
    assert not read_definition("software: x\nimage: x\n").listed
    (problem,) = faults("software: x\nimage: y\nreleases: [{image: x}]\n")
    assert (problem.field, problem.line) == ("image", 2)


def test_several_faults_are_told_at_once_each_with_its_place() -> None:
    problems = faults(
        "software: A b\n"
        "imge: foo\n"
        "interfaces:\n"
        "  - {name: a--b, port: 99999, protocol: htpp}\n"
        "  - {name: a--b, port: http}\n"
        "resources: {memory: 4Q}\n"
    )
    told = {(one.line, one.column, one.field) for one in problems}
    assert told == {
        (1, 1, ""),
        (1, 11, "software"),
        (2, 1, "imge"),
        (4, 12, "interfaces[0].name"),
        (4, 24, "interfaces[0].port"),
        (4, 41, "interfaces[0].protocol"),
        (5, 12, "interfaces[1].name"),
        (5, 24, "interfaces[1].port"),
        (6, 21, "resources.memory"),
    }
    assert [one.line for one in problems] == sorted(one.line for one in problems)
    sentences = " ".join(one.sentence for one in problems)
    assert "did you mean “image”?" in sentences
    assert "did you mean “http”?" in sentences


def test_the_error_names_the_first_fault_with_its_line() -> None:
    with pytest.raises(DefinitionError, match=r"line 2: image: “A” is no image.*\(and 1 more\)\.$") as caught:
        read_definition("software: x\nimage: A\ntags: 3\n".replace("A", "'A'"))
    assert caught.value.code == "definition"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("# nothing\n", "is empty"),
        ("just words", "has to be a table"),
        ("- a\n- b", "has to be a table"),
        ("software: [1", "not YAML"),
        ("software: x\n\timage: y", "not YAML"),
        ("a: \x00", "not allow"),
        ("a: \ud83d", "not valid Unicode"),
        ("software: x\n---\nsoftware: y\n", "second document"),
        ("software: x\nimage: y\nsoftware: z\n", "stands here twice, first in line 1"),
        ("[a, b]: x\nimage: y\nsoftware: z\n", "a key has to be a word"),
        ("software: !!python/object/apply:os.system [ls]\nimage: y\n", "tags (!) are not used"),
        ("software: x\nimage: &a y\ntitle: *a\n", "alias *a is not followed"),
        ("[" * 10_000, "nested deeper"),
        ("a: " + "x" * LARGEST, "bytes"),
    ],
)
def test_a_text_without_a_sound_tree_is_refused_in_plain_words(text: str, sentence: str) -> None:
    assert any(sentence in one.sentence for one in faults(text))


# Following the aliases, or comparing every key with every other, would take longer than this machine will stand.
@pytest.mark.timeout(30)
def test_a_bomb_of_aliases_and_one_of_keys_are_refused_fast() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 15)]
    assert faults("\n".join(levels))
    assert len(faults("\n".join(f"k{n}: 1" for n in range(30_000)))) <= 100
    assert len(faults("software: x\nimage: y\ncommand: [" + "{}," * 60_000 + "]")) == 1


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("software: x--y", "is no name"),
        ("image: 'quay.io/Upper'", "is no name"),
        ("image: 'x:'", "is no tag"),
        ("image: 'x@sha256:12'", "no digest"),
        ("image: ''", "missing"),
        ("homepage: 'javascript:alert(1)'", "web address"),
        ("homepage: 'https://[bad'", "web address"),
        ('title: "a\\nb"', "one line"),
        ('title: "bell \\a"', "control characters"),
        ("needs_registry: maybe", "true or false"),
        ("version: 'a b'", "no version"),
        ("command: run", "a list"),
        ("command: [{a: b}]", "has to be a text"),
        ("command: ['{parameters.deep}']", "no parameter"),
        ("command: ['--token={credential}']", "no place for {credential}"),
        ("environment: [A]", "a table"),
        ("environment: {1A: x}", "no name of a variable"),
        ("environment: {A B: x}", "no name of a variable"),
        ("environment: {specola_home: x}", "reserved"),
        ("environment: {A: '{credentials}'}", "did you mean {credential}?"),
        ("environment: {A: [x]}", "has to be a text"),
        ("resources: {cpus: 0}", "from 0.01"),
        ("resources: {cpus: .nan}", "from 0.01"),
        ("resources: {memory: 1KiB}", "at least 16MiB"),
        ("resources: {memory: -4GiB}", "not a size"),
        ("resources: {gpus: 1.5}", "whole number"),
        ("resources: {disk: 1GiB}", "no such key"),
        ("user: root", "one of home, image"),
        ("user: home", "needs “home”"),
        ("home: relative", "absolute path"),
        ("home: /a/../etc", "absolute path"),
        ("home: /proc", "nothing can be mounted"),
        ("home_access: read", "only with “home”"),
        ("home_access: all", "one of write, read, none"),
        ("scratch: scratch", "absolute path"),
        ("capabilities: [SYS_ADMIN]", "not allowed"),
        ("capabilities: [cap_chown]", "did you mean CHOWN?"),
        ("interfaces: [{name: a}]", "“port” is missing"),
        ("interfaces: [{port: 80}]", "“name” is missing"),
        ("interfaces: [{name: a, port: 0}]", "from 1 to 65535"),
        ("interfaces: [{name: a, port: 8_0}]", "from 1 to 65535"),
        ("interfaces: [{name: a, port: 1}, {name: a, port: 2}]", "two interfaces"),
        (f"interfaces: [{{name: {'a' * 50}, port: 1}}]", "at most 49"),
        ("interfaces: [{name: A, port: 1}]", "host name"),
        ("interfaces: [{name: terminal, port: 1}]", "the terminal that the platform gives every task"),
        ("interfaces: [{name: a, port: 1, protocol: terminal}]", "has to be one of"),
        ("interfaces: [{name: a, port: 1, open: lab}]", "one slash"),
        ("interfaces: [{name: a, port: 1, open: //evil.test}]", "one slash"),
        ("interfaces: [{name: a, port: 1, open: '/\\evil.test'}]", "one slash"),
        ("interfaces: [{name: a, port: 1, health: {expect: 200-}}]", "status codes"),
        ("interfaces: [{name: a, port: 1, health: {expect: '300-200'}}]", "status codes"),
        ("interfaces: [{name: a, port: 22, protocol: ssh, open: /x}]", "http and https only"),
        ("parameters: [{name: a}, {name: a}]", "two parameters"),
        ("parameters: [{name: a, kind: choice}]", "needs at least one"),
        ("parameters: [{name: a, choices: [x], default: y}]", "none of x"),
        ("parameters: [{name: a, kind: number, minimum: 2, maximum: 1}]", "above the maximum"),
        ("parameters: [{name: a, kind: number, minimum: 2, default: 1}]", "below the least"),
        ("parameters: [{name: a, minimum: 2}]", "“number” only"),
        ("parameters: [{name: a, kind: boolean, default: maybe}]", "true or false"),
        ("releases: []", "at least one release"),
    ],
)
def test_a_wrong_value_is_told_where_it_stands(line: str, sentence: str) -> None:
    key = line.partition(":")[0]
    others = [one for one in ("software: x", "image: y") if not one.startswith(f"{key}:") and key != "releases"]
    problems = faults("\n".join([*others, line]))
    assert any(sentence in one.sentence for one in problems), [one.text() for one in problems]
    assert {one.line for one in problems} <= {1, len(others) + 1}


@pytest.mark.parametrize(("home", "scratch"), [("/data", "/data/scratch"), ("/data/home", "/data"), ("/data", "/data")])
def test_home_and_scratch_do_not_lie_in_one_another(home: str, scratch: str) -> None:
    (problem,) = faults(f"software: x\nimage: y\nhome: {home}\nscratch: {scratch}")
    assert (problem.field, problem.line) == ("scratch", 4)
    assert "in one another" in problem.sentence


@pytest.mark.parametrize(
    "credential",
    [
        r'{header: "X-Token: {credential}\r\nX-Admin: yes"}',
        r'{header: "X-Token: {credential}\n"}',
        '{header: "X-Token {credential}"}',
        '{header: "X-Token: secret"}',
        '{header: "X-{credential}: x"}',
        '{header: "X Token: {credential}"}',
        '{header: "Host: {credential}"}',
        '{header: "content-length: {credential}"}',
        '{header: "Transfer-Encoding: {credential}"}',
        '{header: "Sec-Fetch-Site: {credential}"}',
        '{header: "X-Forwarded-For: {credential}"}',
        '{header: "X-Token: {credential} {parameters.x}"}',
        '{basic: "{credential}"}',
        '{query: "token&x={credential}"}',
        '{query: "token={credential}&admin=1"}',
        '{cookie: "token={credential}; Domain=test"}',
        '{cookie: "__Host-specola={credential}"}',
        '{header: "A: {credential}", query: "a={credential}"}',
        "{}",
        "{token: x}",
        "sometimes",
    ],
)
def test_a_credential_that_could_say_more_than_one_thing_is_refused(credential: str) -> None:
    text = f"software: x\nimage: y\ninterfaces:\n- name: a\n  port: 80\n  credential: {credential}\n"
    assert {one.line for one in faults(text)} == {6}


@pytest.mark.parametrize(
    ("written", "way", "template"),
    [
        ('{header: "Authorization: token {credential}"}', CredentialWay.HEADER, "Authorization: token {credential}"),
        ('{basic: "rstudio:{credential}"}', CredentialWay.BASIC, "rstudio:{credential}"),
        ('{query: "tkn={credential}"}', CredentialWay.QUERY, "tkn={credential}"),
        ('{cookie: "session={credential}"}', CredentialWay.COOKIE, "session={credential}"),
    ],
)
def test_a_credential_goes_one_of_four_ways(written: str, way: CredentialWay, template: str) -> None:
    text = f"software: x\nimage: y\ninterfaces:\n- name: a\n  port: 80\n  credential: {written}\n"
    assert read(text).current.interfaces[0].credential == CredentialUse(way=way, template=template)


@pytest.mark.parametrize(
    ("activity", "sentence"),
    [
        ("{ignore: [metrics]}", "one slash"),
        ("{ignore: [FETCH /metrics]}", "is no method"),
        ("{ignore: [GET metrics]}", "one slash"),
        ("{ignore: [GET  /metrics]}", "is no method"),
        ("{pings: 126}", "from 0 to 125"),
        ("{pings: -1}", "from 0 to 125"),
        ("{pongs: 3}", "no such key"),
    ],
)
def test_activity_that_means_nothing_is_told(activity: str, sentence: str) -> None:
    text = f"software: x\nimage: y\ninterfaces:\n- name: a\n  port: 80\n  activity: {activity}\n"
    assert sentence in faults(text)[0].sentence


def test_activity_names_paths_with_and_without_a_method() -> None:
    activity = "{ignore: [/metrics, GET /api/sessions], pings: 0}"
    text = f"software: x\nimage: y\ninterfaces:\n- name: a\n  port: 80\n  activity: {activity}\n"
    expected = Activity(ignore=("/metrics", "GET /api/sessions"), pings=0)
    assert read(text).current.interfaces[0].activity == expected


def test_a_credential_can_be_none_on_any_interface() -> None:
    text = "software: x\nimage: y\ninterfaces: [{name: a, port: 22, protocol: ssh, credential: none}]"
    assert read(text).current.interfaces[0].credential is None


def test_a_release_has_at_most_32_interfaces() -> None:
    many = "".join(f"  - {{name: a{number}, port: {8000 + number}}}\n" for number in range(33))
    [fault] = faults(f"software: many\nimage: a/b:1\ninterfaces:\n{many}")
    assert (fault.field, "at most 32" in fault.sentence) == ("interfaces", True)
