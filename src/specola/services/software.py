"""The catalogue: software entries, their releases, and drafts made from any image."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from specola.clock import Clock
from specola.domain.budget import Budget
from specola.domain.computing import ImageDetails
from specola.domain.errors import ConflictError, DeniedError, MissingError, NameTakenError, SpecolaError
from specola.domain.person import Actor
from specola.domain.reference import ImageReference
from specola.domain.software import Release, Software
from specola.ports.connector import Connector
from specola.services.definition import Definition, read_definition, write_definition
from specola.services.drafts import release_of, short_name_of, title_of
from specola.services.places import place_for, usable
from specola.services.releases import merged
from specola.storage.store import Store, Transaction

__all__ = ["Catalogue", "Draft"]

DIGEST_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An entry proposed from an image: what was read, and a definition to edit."""

    details: ImageDetails
    software: Software
    yaml: str


class Catalogue:
    """Everything that is done with software.

    Names
    -----
    An entry is saved only under a name that its owner does not see anywhere else: not among their own entries, the
    installation's or shared ones. Two entries of one name can still meet later, when the installation ships another
    or somebody else's private one is there already. Then a name means one's own entry, else the installation's, else
    the oldest shared one, so that it goes on meaning what it meant to oneself; the id always tells them apart.
    """

    def __init__(self, *, store: Store, clock: Clock, connector: Connector) -> None:
        self._store = store
        self._clock = clock
        self._connector = connector

    # -- reading ----------------------------------------------------------------------------------------------------

    async def visible(self, actor: Actor, *, search: str = "") -> Sequence[Software]:
        """Return what the actor may start: the installation's, shared ones, one's own; recently used first.

        Parameters
        ----------
        search
            Words that all have to be in an entry's name, title, description or tags, in any case.
        """
        async with self._store.read() as tx:
            entries = await tx.software.visible(actor.person.id)
            used = await tx.software.last_used(actor.person.id)
        words = search.casefold().split()
        found = [one for one in entries if _has(one, words)]
        recent = sorted((one for one in found if one.id in used), key=lambda one: used[one.id], reverse=True)
        return recent + [one for one in found if one.id not in used]

    async def get(self, actor: Actor, name: str) -> Software:
        """Return one entry by name or id.

        Raises
        ------
        MissingError
            There is none, or the actor may not see it.
        """
        async with self._store.read() as tx:
            return await self.find(tx, actor, name)

    async def find(self, tx: Transaction, actor: Actor, name: str) -> Software:
        """Return one entry by name or id, within a transaction. Raises MissingError."""
        seen = [one for one in await tx.software.named(name) if actor.administers or _is_seen(one, actor)]
        if not seen:
            raise MissingError("software", name)
        own = actor.person.id
        return min(seen, key=lambda one: (one.id != name, one.owner != own, one.owner is not None, not one.shared))

    def may_edit(self, actor: Actor, software: Software) -> bool:
        """Tell whether the actor may change an entry: one's own, or any as an administrator."""
        return software.owner == actor.person.id or actor.administers

    async def export(self, actor: Actor, name: str) -> str:
        """Return an entry as YAML that `add` accepts. Raises MissingError."""
        return write_definition(await self.get(actor, name))

    # -- changing ---------------------------------------------------------------------------------------------------

    async def add(self, actor: Actor, text: str) -> Software:
        """Add an entry from a definition in YAML or JSON, owned by the actor.

        The digest of each image is written down if it can be found out within a few seconds.

        Raises
        ------
        DefinitionError
            The definition is malformed; each fault has its line.
        NameTakenError
            The actor sees an entry of that name already.
        """
        definition = read_definition(text)
        wanted = definition.software
        resolved = await self._with_digests(actor, wanted.releases)
        async with self._store.write() as tx:
            await self._check_name(tx, actor, wanted.name)
            releases = merged((), resolved, listed=True, finished=self._finished)
            software = replace(
                wanted,
                id=self._clock.new_id(),
                owner=actor.person.id,
                releases=releases,
                created=self._clock.now(),
            )
            await tx.software.save(software)
        return software

    async def edit(self, actor: Actor, name: str, text: str) -> Software:
        """Replace an entry's definition.

        Releases never change: one that differs from what it was becomes another release, put where the text has it,
        and the one before stays behind it. A text that describes one release (without `releases:`) leaves the others
        in place; a text with `releases:` names all that are to stay.

        Raises
        ------
        DefinitionError, NameTakenError
            As for `add`.
        MissingError, DeniedError
            The actor may not see it, or may see it and not change it.
        """
        definition = read_definition(text)
        known = await self.get(actor, name)
        self._check_may_edit(actor, known)
        resolved = await self._with_digests(actor, definition.software.releases)
        async with self._store.write() as tx:
            known = await self.find(tx, actor, known.id)
            if definition.software.name != known.name:
                await self._check_name(tx, actor, definition.software.name)
            software = self._renewed(known, definition, resolved)
            await tx.software.save(software)
        return software

    async def remove(self, actor: Actor, name: str) -> None:
        """Remove an entry; its tasks go on. Raises MissingError, DeniedError."""
        async with self._store.write() as tx:
            software = await self.find(tx, actor, name)
            self._check_may_edit(actor, software)
            await tx.software.remove(software)

    async def set_shared(self, actor: Actor, name: str, *, shared: bool) -> Software:
        """Share an entry with everybody, or stop sharing it.

        Raises
        ------
        MissingError, DeniedError
            The actor may not see it, or may see it and not change it.
        NameTakenError
            Everybody sees another entry of that name already.
        ConflictError
            It is the installation's, which everybody sees.
        """
        async with self._store.write() as tx:
            software = await self.find(tx, actor, name)
            self._check_may_edit(actor, software)
            if software.owner is None:
                if shared:
                    return software
                raise ConflictError(
                    "What belongs to the installation is there for everybody.", hint="Remove it instead, or leave it."
                )
            same = [one for one in await tx.software.named(software.name) if one.id != software.id]
            if shared and any(one.name == software.name and (one.shared or one.owner is None) for one in same):
                raise NameTakenError("shared software", software.name)
            software = replace(software, shared=shared)
            await tx.software.save(software)
        return software

    async def install(self, texts: Sequence[str]) -> int:
        """Add or renew the entries that come with the installation. Called at start.

        An entry is touched only when its shipped text is another than the last time, so what an administrator
        changed or removed stays so until then, and what was removed for good.

        Parameters
        ----------
        texts
            Definitions, each of another name.

        Returns
        -------
        int
            How many were added or renewed.
        """
        definitions = [(read_definition(text), hashlib.sha256(text.encode()).hexdigest()) for text in texts]
        async with self._store.read() as tx:
            shipped = await tx.software.shipped()
        stale = [(one, mark) for one, mark in definitions if shipped.get(one.software.name) != mark]
        if not stale:
            return 0
        async with self._store.write() as tx:
            shipped = await tx.software.shipped()
            changed = [await self._install_one(tx, one, mark, shipped.keys()) for one, mark in stale]
        return sum(changed)

    async def _install_one(self, tx: Transaction, one: Definition, mark: str, before: Iterable[str]) -> bool:
        wanted = one.software
        known = next((it for it in await tx.software.named(wanted.name) if it.owner is None), None)
        await tx.software.save_shipped(wanted.name, mark)
        if known is None:
            if wanted.name in before:
                return False
            known = replace(wanted, id=self._clock.new_id(), releases=(), created=self._clock.now())
        await tx.software.save(self._renewed(known, one, wanted.releases))
        return True

    # -- drafts -----------------------------------------------------------------------------------------------------

    async def draft(self, actor: Actor, image: str, *, computing: str | None = None) -> Draft:
        """Read an image and propose an entry; nothing is saved.

        Parameters
        ----------
        image
            A reference.
        computing
            Where to ask; None: the default computing.

        Raises
        ------
        InvalidError
            It is no reference.
        ImageUnknownError, ImageUnreachableError
            There is no such image, or it could not be found out.
        MissingError, ConflictError
            There is no such computing, or none at all.
        """
        reference = ImageReference.parse(image)
        async with self._store.read() as tx:
            place = await place_for(tx, computing, actor=actor)
            taken = {one.name for one in await tx.software.visible(actor.person.id)}
        details = await self._connector.inspect_image(place.name, reference.text)
        software = Software(
            id="",
            name=_free_name(short_name_of(reference), taken),
            title=title_of(reference),
            owner=actor.person.id,
            needs_registry=details.source == "registry",
            releases=(release_of(reference, details),),
        )
        return Draft(details=details, software=software, yaml=write_definition(software))

    # -- steps ------------------------------------------------------------------------------------------------------

    def _check_may_edit(self, actor: Actor, software: Software) -> None:
        if not self.may_edit(actor, software):
            raise DeniedError(
                f"Only its owner and administrators may change “{software.title}”.",
                hint="Export it, give it another name, and add it as your own.",
            )

    async def _check_name(self, tx: Transaction, actor: Actor, name: str) -> None:
        if any(one.name == name and _is_seen(one, actor) for one in await tx.software.named(name)):
            raise NameTakenError("software", name)

    def _finished(self, release: Release) -> Release:
        return replace(release, id=self._clock.new_id(), created=self._clock.now())

    def _renewed(self, known: Software, definition: Definition, resolved: Sequence[Release]) -> Software:
        releases = merged(known.releases, resolved, listed=definition.listed, finished=self._finished)
        return replace(
            definition.software,
            id=known.id,
            owner=known.owner,
            shared=known.shared,
            created=known.created,
            releases=releases,
        )

    async def _with_digests(self, actor: Actor, releases: Sequence[Release]) -> Sequence[Release]:
        """Add the digests that can be found out; an entry may be saved before its image is there."""
        budget = Budget(DIGEST_SECONDS, "Reading the images' digests", monotonic=self._clock.monotonic)
        async with self._store.read() as tx:
            places = await usable(tx, actor)
        resolved = list(releases)
        try:
            async with budget.spend():
                for index, release in enumerate(releases if places else ()):
                    details = await self._connector.inspect_image(places[0].name, release.image)
                    resolved[index] = replace(release, digest=details.digest)
        except SpecolaError:
            return resolved
        return resolved


def _is_seen(software: Software, actor: Actor) -> bool:
    return software.owner in {None, actor.person.id} or software.shared


def _has(software: Software, words: Sequence[str]) -> bool:
    text = " ".join((software.name, software.title, software.description, *software.tags)).casefold()
    return all(word in text for word in words)


def _free_name(name: str, taken: set[str]) -> str:
    number = 2
    free = name
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    return free
