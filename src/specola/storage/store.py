"""The database as one object: read and write transactions, and the feed of changes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from specola.clock import Clock
from specola.storage import engine, revision
from specola.storage.access import Access
from specola.storage.account_links import AccountLinks
from specola.storage.attempts import Attempts
from specola.storage.border import connected, connecting, working
from specola.storage.certificates import Certificates
from specola.storage.changes import Change, Changes, Topic
from specola.storage.computings import Computings
from specola.storage.connections import Connections
from specola.storage.feed import Feed
from specola.storage.found import Found
from specola.storage.groups import Groups
from specola.storage.keys import Keys
from specola.storage.links import Links
from specola.storage.people import People
from specola.storage.sessions import Sessions
from specola.storage.software import Catalogue
from specola.storage.tasks import Tasks
from specola.storage.watch import PostgresWatch, SqliteWatch

__all__ = ["Change", "Store", "Topic", "Transaction"]


class Transaction:
    """One unit of work; the collections hang on it, each of which takes and returns domain values."""

    def __init__(self, session: AsyncSession, *, clock: Clock) -> None:
        self.changes = Changes(session, clock=clock)
        self.people = People(session, self.changes)
        self.sessions = Sessions(session, self.changes)
        self.groups = Groups(session, self.changes)
        self.keys = Keys(session, self.changes)
        self.attempts = Attempts(session)
        self.access = Access(session, self.changes)
        self.account_links = AccountLinks(session, self.changes)
        self.certificates = Certificates(session, self.changes)
        self.software = Catalogue(session, self.changes)
        self.tasks = Tasks(session, self.changes)
        self.found = Found(session, self.changes)
        self.computings = Computings(session, self.changes)
        self.connections = Connections(session)
        self.links = Links(session, self.changes)


class Store:
    """The database.

    Parameters
    ----------
    url
        `sqlite:////folder/file.db` or `postgresql://user@host/name`; tables have to be there already (see
        `specola.storage.migrate`).
    clock
        When changes happen.

    Notes
    -----
    Making one does no input or output. Every method raises `DatabaseUnavailableError` while the database is away.
    """

    def __init__(self, url: str, *, clock: Clock) -> None:
        self._clock = clock
        address = engine.read_url(url)
        file = engine.file_of(address)
        self._reading = engine.reading(address)
        self._writing = engine.writing(address)
        self._readers = async_sessionmaker(self._reading, expire_on_commit=False)
        self._writers = async_sessionmaker(self._writing, expire_on_commit=False)
        self._locks = file is None
        watch = SqliteWatch(file) if file else PostgresWatch(self._reading)
        self._feed = Feed(watch=watch, newest=self._newest, after=self._after)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Transaction]:
        """Open a transaction that only reads, and sees one moment of the database."""
        with working():
            async with self._readers() as session:
                with connecting():
                    _ = await session.connection()
                yield self._transaction(session)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Transaction]:
        """Open a transaction that writes: takes the write lock at once, commits at the end, rolls back on error.

        Write transactions of all processes follow each other, on both databases: what one has read is still true when
        it writes. So keep them short, wait for nothing else inside, and never open a second one inside the first.
        """
        with working():
            async with self._writers() as session, session.begin():
                with connecting():
                    _ = await session.connection()
                if self._locks:
                    await session.execute(select(func.pg_advisory_xact_lock(engine.WRITE_LOCK)))
                transaction = self._transaction(session)
                yield transaction
                changed = await transaction.changes.write()
        if changed:
            self._feed.wake()

    def changes(self, after: int | None = None) -> AsyncIterator[list[Change]]:
        """Yield changes as they are committed by any process, in order.

        Parameters
        ----------
        after
            The number of the last change that is known already; None: from the first time it is waited for. To miss
            nothing, take `changes.newest()` in the transaction that reads what is shown first.

        Yields
        ------
        list[Change]
            At least one. A change of topic `gap` says that some were missed (`after` is more than an hour old, or the
            database was restored): read everything again, and go on.
        """
        return self._feed.follow(after)

    async def check(self) -> None:
        """Make sure, before anything else is done, that the tables are those that this Specola works with.

        Raises
        ------
        SchemaError
            They are of an earlier or a later Specola, or not there at all.
        """
        async with connected(self._reading) as connection:
            await connection.run_sync(revision.require)

    async def close(self) -> None:
        """Give back all connections; followers of changes end."""
        await self._feed.close()
        await asyncio.gather(self._reading.dispose(), self._writing.dispose())

    def _transaction(self, session: AsyncSession) -> Transaction:
        return Transaction(session, clock=self._clock)

    async def _newest(self) -> int:
        async with self.read() as transaction:
            return await transaction.changes.newest()

    async def _after(self, sequence: int) -> Sequence[Change]:
        async with self.read() as transaction:
            return await transaction.changes.after(sequence)
