"""Access to tasks: who passes, what is added for them, and how a browser is handed over without being tricked."""

import asyncio
import base64
import hashlib
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from specola.clock import ManualClock
from specola.domain.computing import Capability
from specola.domain.errors import InvalidError, MissingError, SignInError, UnauthenticatedError
from specola.domain.found import FoundPort
from specola.domain.person import Actor, Role, Scope
from specola.domain.software import CredentialUse, CredentialWay, Interface, Protocol
from specola.domain.task import Desired, Endpoint, Reason, Task, TaskState
from specola.services.access import Decision, Entry, Outcome, Presented, Traffic
from specola.storage.store import Store
from tests.support.house import CREDENTIAL, SESSION_LIFE, TERMINALS, House

pytestmark = pytest.mark.anyio

NONCE = hashlib.sha256(b"the cookie that the gateway set").hexdigest()
LAB = Interface(name="lab", port=8888)
SIDE = Interface(name="side", port=8889)
TASK = "k3f9x2ab4c"


@pytest.fixture
def house(store: Store, clock: ManualClock) -> House:
    return House.build(store, clock)


@pytest.fixture
async def ada(house: House) -> Actor:
    """Somebody with a task of two interfaces, both ready."""
    ada = await house.enter("ada")
    await house.add_task(ada, LAB, SIDE)
    return ada


async def code_for(house: House, actor: Actor, *, interface: str = "lab", path: str = "/lab?x=1") -> str:
    address = await house.access.hand_over(actor, task=TASK, interface=interface, nonce=NONCE, path=path)
    return parse_qs(urlsplit(address).query)["code"][0]


async def redeem(house: House, code: str, *, nonce: str = NONCE, task: str = TASK, interface: str = "lab") -> Entry:
    return await house.access.redeem(code, nonce=nonce, task=task, interface=interface)


async def cookie_for(house: House, actor: Actor, *, interface: str = "lab") -> str:
    return (await redeem(house, await code_for(house, actor, interface=interface), interface=interface)).cookie


async def decide(house: House, cookie: str | None, *, task: str = TASK, interface: str = "lab") -> Decision:
    return await house.access.decide(task, interface, Presented(cookie=cookie))


async def token_for(house: House, actor: Actor, *scopes: Scope, days: int | None = None) -> str:
    return (await house.people.create_token(actor, name="t", scopes=frozenset(scopes), days=days)).secret


# -- interfaces that are no HTTP, and the platform's own ----------------------------------------------------------------


async def test_any_protocol_has_an_origin_and_a_decision(house: House) -> None:
    ada = await house.enter("ada")
    await house.add_task(ada, Interface(name="db", port=5432, protocol=Protocol.POSTGRES))
    decision = await decide(house, await cookie_for(house, ada, interface="db"), interface="db")
    assert (decision.outcome, decision.endpoint and decision.endpoint.port) == (Outcome.PASS, 5432)
    assert decision.interface is not None
    assert decision.interface.protocol is Protocol.POSTGRES


async def test_every_task_has_a_terminal_where_its_computing_can_run_commands(house: House, ada: Actor) -> None:
    cookie = await cookie_for(house, ada, interface="terminal")
    assert (await decide(house, cookie, interface="terminal")).outcome is Outcome.NOT_READY
    await house.add_computing(Capability.LOGS)
    assert (await decide(house, cookie, interface="terminal")).outcome is Outcome.NOT_READY


async def test_a_terminal_is_at_the_connectors_socket(house: House, ada: Actor) -> None:
    await house.add_computing(Capability.EXECUTE)
    cookie = await cookie_for(house, ada, interface="terminal")
    decision = await decide(house, cookie, interface="terminal")
    assert (decision.outcome, decision.endpoint and decision.endpoint.path) == (Outcome.PASS, str(TERMINALS))
    assert (decision.interface and decision.interface.protocol, decision.add) == (Protocol.TERMINAL, ())
    assert (await decide(house, cookie)).outcome is Outcome.SIGN_IN
    eve = await house.enter("eve")
    with pytest.raises(MissingError):
        await code_for(house, eve, interface="terminal")


# -- a browser's way in -------------------------------------------------------------------------------------------------


async def test_a_browser_is_handed_over_and_passes(house: House, ada: Actor) -> None:
    address = await house.access.hand_over(ada, task=TASK, interface="lab", nonce=NONCE, path="/lab/tree?reset=1")
    assert address.startswith(f"https://lab--{TASK}.tasks.test/.specola/enter?code=")
    entry = await redeem(house, parse_qs(urlsplit(address).query)["code"][0])
    assert entry.path == "/lab/tree?reset=1"
    assert entry.cookie not in repr(entry)

    decision = await decide(house, entry.cookie)
    assert decision.outcome is Outcome.PASS
    assert decision.person == ada.person.id
    assert decision.endpoint is not None
    assert decision.endpoint.port == 8888
    assert decision.marks == (f"session:{ada.session}", f"person:{ada.person.id}", f"task:{TASK}")
    assert decision.seconds == 60


async def test_a_code_is_spent_by_whoever_is_first(house: House, ada: Actor) -> None:
    code = await code_for(house, ada)
    results = await asyncio.gather(*(redeem(house, code) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(one, Entry) for one in results) == 1
    assert sum(isinstance(one, SignInError) for one in results) == 4


async def test_a_code_lasts_half_a_minute(house: House, ada: Actor) -> None:
    code = await code_for(house, ada)
    house.clock.advance(timedelta(seconds=30))
    with pytest.raises(SignInError):
        await redeem(house, code)


@pytest.mark.parametrize(
    ("nonce", "task", "interface"),
    [
        (hashlib.sha256(b"another browser").hexdigest(), TASK, "lab"),
        ("", TASK, "lab"),
        ("\u00e9\ud800", TASK, "lab"),
        (NONCE, TASK, "side"),
        (NONCE, "0123456789", "lab"),
    ],
)
async def test_a_code_used_elsewhere_is_refused_and_spent(
    house: House, ada: Actor, nonce: str, task: str, interface: str
) -> None:
    code = await code_for(house, ada)
    with pytest.raises(SignInError):
        await redeem(house, code, nonce=nonce, task=task, interface=interface)
    with pytest.raises(SignInError):
        await redeem(house, code)


async def test_a_code_for_another_origin_is_refused(house: House, ada: Actor) -> None:
    code = await code_for(house, ada)
    moved = House.build(house.store, house.clock, url="https://specola.test:8443")
    with pytest.raises(SignInError):
        await redeem(moved, code)


@pytest.mark.parametrize("code", ["", "x", "\ud800", "a\0b", "' OR 1=1"])
async def test_codes_that_are_none_are_refused(house: House, ada: Actor, code: str) -> None:
    with pytest.raises(SignInError):
        await redeem(house, code)


async def test_a_code_dies_with_its_session(house: House, ada: Actor) -> None:
    code = await code_for(house, ada)
    await house.people.sign_out(ada)
    with pytest.raises(SignInError):
        await redeem(house, code)


async def test_a_code_dies_when_its_person_is_disabled(house: House, ada: Actor) -> None:
    root = await house.enter("root", role=Role.ADMINISTRATOR)
    code = await code_for(house, ada)
    await house.people.set_disabled(root, "ada", disabled=True)
    with pytest.raises(SignInError):
        await redeem(house, code)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "lab",
        "//evil.test",
        "/\\evil.test",
        "\\/evil.test",
        "/lab\\..",
        "https://evil.test/",
        "/lab\r\nSet-Cookie: a=b",
        "/lab\n",
        "/\t/evil.test",
        "/ /evil.test",
        "/\0",
        "/caf\u00e9",
        "/\u2028",
        "/.specola/enter?code=mine",
        "/" + "x" * 5000,
    ],
)
async def test_paths_that_could_lead_away_are_refused(house: House, ada: Actor, path: str) -> None:
    with pytest.raises(InvalidError) as caught:
        await house.access.hand_over(ada, task=TASK, interface="lab", nonce=NONCE, path=path)
    assert caught.value.field == "path"


@pytest.mark.parametrize(
    "path", ["/", "/lab", "/a//b", "/lab?next=//evil.test&x=%0d%0a", "/.specolafoo", "/@evil.test"]
)
async def test_paths_that_stay_are_kept_as_they_are(house: House, ada: Actor, path: str) -> None:
    assert (await redeem(house, await code_for(house, ada, path=path))).path == path


@pytest.mark.parametrize("nonce", ["", "x" * 64, NONCE.upper(), NONCE + "\n", NONCE[:63]])
async def test_a_nonce_is_a_hash(house: House, ada: Actor, nonce: str) -> None:
    with pytest.raises(InvalidError) as caught:
        await house.access.hand_over(ada, task=TASK, interface="lab", nonce=nonce, path="/")
    assert caught.value.field == "nonce"


@pytest.mark.parametrize(
    ("task", "interface"),
    [("0123456789", "lab"), (TASK, "nothing"), (TASK, ""), ("", "lab"), ("k3f9\0", "lab"), ("\ud800", "lab")],
)
async def test_nobody_is_handed_over_to_what_is_not_there(house: House, ada: Actor, task: str, interface: str) -> None:
    with pytest.raises(MissingError):
        await house.access.hand_over(ada, task=task, interface=interface, nonce=NONCE, path="/")


async def test_only_a_browser_with_a_session_is_handed_over(house: House, ada: Actor) -> None:
    bearer = await house.people.actor_of_token(await token_for(house, ada, Scope.CONNECT))
    with pytest.raises(UnauthenticatedError):
        await house.access.hand_over(bearer, task=TASK, interface="lab", nonce=NONCE, path="/")
    await house.people.sign_out(ada)
    with pytest.raises(UnauthenticatedError):
        await house.access.hand_over(ada, task=TASK, interface="lab", nonce=NONCE, path="/")


async def test_two_tabs_let_in_at_once_both_pass_and_old_cookies_go(house: House, ada: Actor) -> None:
    first, second = await cookie_for(house, ada), await cookie_for(house, ada)
    for cookie in (first, second):
        assert (await decide(house, cookie)).outcome is Outcome.PASS
    house.clock.advance(timedelta(minutes=2))
    third = await cookie_for(house, ada)
    assert (await decide(house, first)).outcome is Outcome.SIGN_IN
    assert (await decide(house, third)).outcome is Outcome.PASS


# -- decisions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", [TASK, "0123456789", "", "\0"])
async def test_an_unknown_visitor_learns_nothing(house: House, ada: Actor, task: str) -> None:
    for cookie in (None, "", "guess", "\ud800"):
        assert await decide(house, cookie, task=task) == Decision(outcome=Outcome.SIGN_IN)


async def test_a_cookie_is_good_for_its_interface_alone(house: House, ada: Actor) -> None:
    await house.add_task(ada, LAB, id="0123456789")
    cookie = await cookie_for(house, ada)
    assert (await decide(house, cookie, interface="side")).outcome is Outcome.SIGN_IN
    assert (await decide(house, cookie, task="0123456789")).outcome is Outcome.SIGN_IN


@pytest.mark.parametrize("role", list(Role))
async def test_nobody_enters_anothers_task_administrators_neither(house: House, ada: Actor, role: Role) -> None:
    other = await house.enter("other", role=role)
    with pytest.raises(MissingError):
        await house.access.hand_over(other, task=TASK, interface="lab", nonce=NONCE, path="/")
    token = await token_for(house, other, *other.scopes)
    decision = await house.access.decide(TASK, "lab", Presented(token=token))
    assert decision == Decision(outcome=Outcome.MISSING, person=other.person.id)


async def test_a_token_passes_with_the_scope_connect(house: House, ada: Actor) -> None:
    decision = await house.access.decide(TASK, "lab", Presented(token=await token_for(house, ada, Scope.CONNECT)))
    assert decision.outcome is Outcome.PASS
    assert decision.marks[0].startswith("token:")


async def test_a_token_without_the_scope_does_not_pass(house: House, ada: Actor) -> None:
    token = await token_for(house, ada, *(ada.scopes - {Scope.CONNECT}))
    assert (await house.access.decide(TASK, "lab", Presented(token=token))).outcome is Outcome.SIGN_IN


async def test_a_decision_is_not_kept_longer_than_what_it_rests_on(house: House, ada: Actor) -> None:
    token = await token_for(house, ada, Scope.CONNECT, days=1)
    house.clock.advance(timedelta(days=1) - timedelta(seconds=7))
    assert (await house.access.decide(TASK, "lab", Presented(token=token))).seconds == 7
    house.clock.advance(timedelta(seconds=7))
    assert (await house.access.decide(TASK, "lab", Presented(token=token))).outcome is Outcome.SIGN_IN


async def test_using_a_task_keeps_the_session_and_its_end_ends_the_entry(house: House, ada: Actor) -> None:
    cookie = await cookie_for(house, ada)
    for _ in range(3):
        house.clock.advance(SESSION_LIFE - timedelta(hours=1))
        assert (await decide(house, cookie)).outcome is Outcome.PASS
    house.clock.advance(SESSION_LIFE)
    assert (await decide(house, cookie)).outcome is Outcome.SIGN_IN


async def test_signing_out_ends_what_was_entered(house: House, ada: Actor) -> None:
    cookie = await cookie_for(house, ada)
    await house.people.sign_out(ada)
    assert (await decide(house, cookie)).outcome is Outcome.SIGN_IN
    assert f"session:{ada.session}" in await house.marks()


async def test_an_account_that_is_disabled_is_out(house: House, ada: Actor) -> None:
    root = await house.enter("root", role=Role.ADMINISTRATOR)
    cookie = await cookie_for(house, ada)
    await house.people.set_disabled(root, "ada", disabled=True)
    assert (await decide(house, cookie)).outcome is Outcome.SIGN_IN


async def change(house: House, task: Task) -> None:
    async with house.store.write() as transaction:
        await transaction.tasks.save(task)


async def test_an_interface_that_is_not_ready_is_told_and_not_kept(house: House, ada: Actor) -> None:
    cookie = await cookie_for(house, ada)
    async with house.store.read() as transaction:
        task = await transaction.tasks.get(TASK)
    waiting = replace(task.interfaces[0], ready=False, endpoint=None)
    await change(house, replace(task, interfaces=(waiting, task.interfaces[1])))
    decision = await decide(house, cookie)
    assert (decision.outcome, decision.seconds, decision.endpoint, decision.add) == (Outcome.NOT_READY, 0, None, ())
    assert decision.person == ada.person.id
    assert decision.task is not None
    assert f"task:{TASK}" in decision.marks


async def test_an_ended_task_is_not_ready(house: House, ada: Actor) -> None:
    cookie = await cookie_for(house, ada)
    async with house.store.read() as transaction:
        task = await transaction.tasks.get(TASK)
    await change(
        house, task.moved_to(TaskState.FAILED, at=house.clock.now(), reason=Reason(code="x", sentence="It ended."))
    )
    assert (await decide(house, cookie)).outcome is Outcome.NOT_READY


@pytest.mark.parametrize(
    ("desired", "outcome"), [(Desired.STOPPED, Outcome.NOT_READY), (Desired.DELETED, Outcome.MISSING)]
)
async def test_a_task_wanted_stopped_is_shut_at_once(
    house: House, ada: Actor, desired: Desired, outcome: Outcome
) -> None:
    cookie = await cookie_for(house, ada)
    async with house.store.write() as transaction:
        await transaction.tasks.want(await transaction.tasks.get(TASK), desired)
    assert (await decide(house, cookie)).outcome is outcome
    assert await house.marks() == [f"task:{TASK}"]


# -- what is added for the visitor --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("way", "template", "added"),
    [
        (CredentialWay.HEADER, "Authorization: token {credential}", ("header", "Authorization", f"token {CREDENTIAL}")),
        (CredentialWay.HEADER, "X-Time: 12:30 {credential}", ("header", "X-Time", f"12:30 {CREDENTIAL}")),
        (
            CredentialWay.BASIC,
            "rstudio:{credential}",
            ("header", "Authorization", "Basic " + base64.b64encode(f"rstudio:{CREDENTIAL}".encode()).decode()),
        ),
        (CredentialWay.QUERY, "token={credential}", ("query", "token", CREDENTIAL)),
        (CredentialWay.COOKIE, "auth=v1={credential}", ("cookie", "auth", f"v1={CREDENTIAL}")),
    ],
)
async def test_the_tasks_credential_is_added(
    house: House, way: CredentialWay, template: str, added: tuple[str, str, str]
) -> None:
    ada = await house.enter("ada")
    await house.add_task(ada, replace(LAB, credential=CredentialUse(way=way, template=template)))
    decision = await decide(house, await cookie_for(house, ada))
    assert decision.add == (added,)


async def test_nothing_is_added_where_nothing_is_declared(house: House, ada: Actor) -> None:
    assert (await decide(house, await cookie_for(house, ada))).add == ()


# -- traffic ------------------------------------------------------------------------------------------------------------


async def test_traffic_adds_up_and_tasks_without_a_record_are_passed_over(house: House, ada: Actor) -> None:
    def carried(*, used: bool, task: str = TASK) -> Traffic:
        return Traffic(task=task, interface="lab", person=ada.person.id, received=2**40, sent=7, used=used)

    begun = house.clock.now()
    await house.access.note_traffic([carried(used=True), carried(used=False), carried(used=True, task="gone000000")])
    house.clock.advance(timedelta(minutes=1))
    await house.access.note_traffic([carried(used=False)])
    await house.access.note_traffic([])
    async with house.store.read() as transaction:
        (total,) = await transaction.access.carried(TASK)
        assert await transaction.access.carried("gone000000") == []
    assert (total.received, total.sent, total.last_used) == (3 * 2**40, 21, begun)


# -- ports found ------------------------------------------------------------------------------------------------------


async def find(house: House, *ports: FoundPort) -> None:
    async with house.store.write() as transaction:
        await transaction.found.set(await transaction.tasks.get(TASK), ports, at=house.clock.now())


async def test_found_port_is_reached_through_the_connector_while_it_is_there(house: House, ada: Actor) -> None:
    await find(house, FoundPort(port=8501, protocol=Protocol.HTTPS, loopback=True))
    cookie = await cookie_for(house, ada, interface="port-8501")
    decision = await decide(house, cookie, interface="port-8501")
    assert (decision.outcome, decision.add) == (Outcome.PASS, ())
    assert decision.endpoint == Endpoint(path=f"/run/streams/{TASK}.8501.sock")
    assert decision.interface == Interface(name="port-8501", port=8501, protocol=Protocol.HTTPS)
    await find(house)
    assert (await decide(house, cookie, interface="port-8501")).outcome is Outcome.NOT_READY


async def test_found_port_is_its_owners_alone(house: House, ada: Actor) -> None:
    await find(house, FoundPort(port=8501, protocol=Protocol.HTTP, loopback=True))
    bob = await house.enter("bob")
    with pytest.raises(MissingError):
        await code_for(house, bob, interface="port-8501")
    token = await token_for(house, bob, Scope.CONNECT)
    decision = await house.access.decide(TASK, "port-8501", Presented(token=token))
    assert decision.outcome is Outcome.MISSING


@pytest.mark.parametrize("name", ["port-0", "port-65536", "port-8501x", "port--8501", "port-08501", "PORT-8501"])
async def test_name_that_is_no_port_is_missing(house: House, ada: Actor, name: str) -> None:
    with pytest.raises(MissingError):
        await code_for(house, ada, interface=name)


async def test_ended_task_has_no_ports(house: House) -> None:
    eve = await house.enter("eve")
    await house.add_task(eve, LAB, state=TaskState.STOPPED)
    await find(house, FoundPort(port=8501, protocol=Protocol.HTTP, loopback=True))
    with pytest.raises(MissingError):
        await code_for(house, eve, interface="port-8501")
