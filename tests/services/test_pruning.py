"""What is kept for a while only: each table that time alone would fill is emptied by its own use."""

import hashlib
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from specola.clock import ManualClock
from specola.domain.errors import SignInError
from specola.domain.person import Scope
from specola.domain.software import Interface
from specola.services.admissions import Client
from specola.storage import engine
from specola.storage.changes import KEPT, Topic
from specola.storage.schema.base import Base
from specola.storage.store import Store
from specola.storage.tasks import WishKey
from tests.support.house import SESSION_LIFE, House

pytestmark = pytest.mark.anyio

NONCE = hashlib.sha256(b"the cookie that the gateway set").hexdigest()
LAB = Interface(name="lab", port=8888)


@pytest.fixture
def house(store: Store, clock: ManualClock) -> House:
    return House.build(store, clock)


async def rows(database: str, table: str) -> int:
    """Count the rows of a table, past all rules about who sees what."""
    reading = engine.reading(engine.read_url(database))
    async with reading.connect() as connection:
        count = await connection.scalar(select(func.count()).select_from(Base.metadata.tables[table]))
    await reading.dispose()
    return count or 0


async def test_sessions_and_tokens_go_when_they_have_run_out(house: House, database: str) -> None:
    ada = await house.enter("ada")
    await house.people.create_token(ada, name="old", scopes=frozenset({Scope.READ}), days=1)
    house.clock.advance(SESSION_LIFE + timedelta(seconds=1))
    await house.session_secret("ada")
    assert await rows(database, "session") == 1
    assert await rows(database, "token") == 0


async def test_codes_that_nobody_spent_go_with_the_next(house: House, database: str) -> None:
    ada = await house.enter("ada")
    task = await house.add_task(ada, LAB)
    for _ in range(3):
        house.clock.advance(timedelta(seconds=60))
        await house.access.hand_over(ada, task=task.id, interface="lab", nonce=NONCE, path="/")
    assert await rows(database, "code") == 1


async def test_failed_attempts_go_after_an_hour(house: House, database: str) -> None:
    for number in range(3):
        house.clock.advance(timedelta(hours=1, seconds=1))
        with pytest.raises(SignInError):
            await house.people.sign_in(f"guess-{number}", "wrong", client=Client(address=f"192.0.2.{number}"))
    assert await rows(database, "attempt") == 2


async def test_changes_go_after_their_time(house: House, database: str) -> None:
    for number in range(3):
        house.clock.advance(KEPT + timedelta(seconds=1))
        async with house.store.write() as transaction:
            transaction.changes.note(Topic.TASK, f"t{number}")
    assert await rows(database, "change") == 1


async def test_keys_of_wishes_go_after_their_time(house: House, database: str) -> None:
    ada = await house.enter("ada")
    task = await house.add_task(ada, LAB)
    for number in range(3):
        house.clock.advance(timedelta(days=2))
        now, wish = house.clock.now(), WishKey(fingerprint="f", task=task.id)
        async with house.store.write() as transaction:
            await transaction.tasks.save_wish_key(
                ada.person.id, f"key-{number}", wish, at=now, since=now - timedelta(days=1)
            )
    assert await rows(database, "wish_key") == 1


async def test_what_belongs_to_a_task_goes_with_it(house: House, database: str) -> None:
    ada = await house.enter("ada")
    task = await house.add_task(ada, LAB)
    await house.access.hand_over(ada, task=task.id, interface="lab", nonce=NONCE, path="/")
    async with house.store.write() as transaction:
        await transaction.tasks.add_event(task.id, at=house.clock.now(), code="started", sentence="It was started.")
    async with house.store.write() as transaction:
        await transaction.tasks.remove(task.id)
    assert [await rows(database, table) for table in ("task", "event", "code")] == [0, 0, 0]
