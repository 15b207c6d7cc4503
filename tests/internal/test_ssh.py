"""Who comes and what they may enter, as the SSH front door asks for it."""

import httpx
import pytest

from specola.domain.person import Scope
from specola.openssh import read_key
from tests.support.harness import Platform
from tests.support.sshkeys import pair

pytestmark = pytest.mark.anyio


async def test_a_key_admits_and_enters_ones_own_task(platform: Platform, internal: httpx.AsyncClient) -> None:
    ada = await platform.person("ada")
    key = await platform.services.keys.add(ada, pair().public)
    comer = {"fingerprint": key.fingerprint, "address": "192.0.2.7"}
    admitted = (await internal.post("/ssh/admit", json=comer)).json()
    assert admitted == {
        "admitted": True,
        "by": f"key:{key.id}",
        "person": ada.person.id,
        "name": "ada",
        "marks": [f"key:{key.id}", f"person:{ada.person.id}"],
    }
    task = await platform.started(ada)
    entered = (await internal.post("/ssh/enter", json={"by": admitted["by"], "task": task.name})).json()
    assert (entered["outcome"], entered["task"], entered["ports"]) == ("pass", task.id, {"web": 8000})
    assert set(entered["marks"]) == {*admitted["marks"], f"task:{task.id}"}
    missing = (await internal.post("/ssh/enter", json={"by": admitted["by"], "task": "nothing"})).json()
    assert missing["outcome"] == "missing"
    assert "nothing" in missing["sentence"]
    await platform.services.keys.remove(ada, key.id)
    gone = (await internal.post("/ssh/enter", json={"by": admitted["by"], "task": task.id})).json()
    assert gone["outcome"] == "sign_in"


async def test_tokens_and_certificates_admit(platform: Platform, internal: httpx.AsyncClient) -> None:
    bob = await platform.person("bob")
    people = platform.services.people
    token = await people.create_token(bob, name="x", scopes=frozenset({Scope.CONNECT}), days=1)
    told = (await internal.post("/ssh/admit", json={"token": token.secret})).json()
    assert (told["by"], told["name"]) == (f"token:{token.value.id}", "bob")
    text = pair().public
    issued = await platform.services.keys.certify(await people.actor_of_token(token.secret), text)
    comer = {"serial": issued.value.serial, "fingerprint": read_key(text).fingerprint}
    told = (await internal.post("/ssh/admit", json=comer)).json()
    assert told["marks"][:2] == [f"certificate:{issued.value.serial}", f"token:{token.value.id}"]


@pytest.mark.parametrize("comer", [{}, {"token": "specola_x"}, {"fingerprint": "SHA256:x"}, {"serial": 7}])
async def test_strangers_are_told_so(internal: httpx.AsyncClient, comer: dict[str, object]) -> None:
    told = (await internal.post("/ssh/admit", json=comer)).json()
    assert told["admitted"] is False
    assert told["sentence"]
