"""Public keys, certificates and the SSH authority over the API."""

import pytest

from specola.domain.person import Scope
from tests.support.callers import Callers
from tests.support.sshkeys import pair

pytestmark = pytest.mark.anyio


async def test_keys_are_added_listed_and_removed(callers: Callers) -> None:
    ada, program = await callers.browser("ada"), await callers.program("ada")
    text = pair("ada@laptop").public
    made = await ada.post("/account/keys", json={"key": text})
    assert made.status_code == 201, made.text
    key = made.json()
    assert (key["title"], key["algorithm"], key["token"]) == ("ada@laptop", "ssh-ed25519", None)
    assert key["id"] in {one["id"] for one in (await program.get("/account/keys")).json()}
    again = await program.post("/account/keys", json={"key": text})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert (await program.delete(f"/account/keys/{key['id']}")).json()["code"] == "denied"
    assert (await ada.delete(f"/account/keys/{key['id']}")).status_code == 204
    assert (await ada.delete(f"/account/keys/{key['id']}")).status_code == 404


async def test_a_private_key_is_refused_and_not_repeated(callers: Callers) -> None:
    ada = await callers.browser("ada")
    private = pair().private
    refused = await ada.post("/account/keys", json={"key": private})
    assert refused.status_code == 422
    assert "private key" in refused.json()["detail"]
    assert private.splitlines()[1] not in refused.text


async def test_a_certificate_is_issued_to_a_token(callers: Callers) -> None:
    program = await callers.program("ada", Scope.CONNECT)
    made = await program.post("/account/ssh-certificates", json={"key": pair().public, "hours": 1})
    assert made.status_code == 201, made.text
    assert made.json()["certificate"].startswith("ssh-ed25519-cert-v01@openssh.com ")
    assert made.json()["serial"].isdecimal()
    too_long = await program.post("/account/ssh-certificates", json={"key": pair().public, "hours": 25})
    assert too_long.status_code == 422


async def test_anybody_may_know_the_authority(callers: Callers) -> None:
    told = (await (await callers.stranger()).get("/ssh/authority")).json()
    assert told["host"] == "localhost"
    assert told["known_hosts"].startswith("@cert-authority ")
