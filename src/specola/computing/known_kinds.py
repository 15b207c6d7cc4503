"""The kinds of computing as services see them; implements `specola.ports.kinds.Kinds`."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from specola.computing.kinds import KINDS, Kind
from specola.computing.settings import described, problems_of, taken_apart
from specola.domain.errors import InvalidError
from specola.domain.settings import with_value
from specola.hosts.config import HostSettings, Identity
from specola.ports.kinds import CheckedSettings, Setting, StartingPoint

__all__ = ["KnownKinds"]

NOT_OWN = "only administrators add computings of this kind"
# Certificates and the shared key are the platform's word, which opens accounts of others wherever it is believed. Only a
# key of one's own, which its account has to take in by itself, proves that the account is one's own.
NOT_BY_KEY = "a host that you add for yourself is entered by a key of your own (identity: key)"


class KnownKinds:
    """What is said of kinds in `KINDS`, or in another table of the same shape."""

    def __init__(self, kinds: Mapping[str, Kind[Any]] = KINDS) -> None:
        self._kinds = kinds

    def names(self) -> Sequence[str]:
        """Return the name of every kind."""
        return list(self._kinds)

    def title(self, kind: str) -> str:
        """Return what people call a kind; one that is not there any more is called by its name."""
        return self._kinds[kind].title if kind in self._kinds else kind

    def starting_points(self, *, own: bool) -> Sequence[StartingPoint]:
        """Return what a form offers to begin with; `own`: to people who add a computing for themselves."""
        return [
            StartingPoint(
                name=start.name,
                title=start.title,
                sentence=start.sentence,
                kind=name,
                settings=_by_key(kind, start.settings) if own else start.settings,
            )
            for name, kind in self._kinds.items()
            for start in kind.starts
            if start.own or not own
        ]

    def settings(self, kind: str) -> Sequence[Setting]:
        """Return the settings of a kind in order. Raises InvalidError: there is no such kind."""
        return described(self._kind(kind).settings)

    def check(self, kind: str, settings: Mapping[str, Any]) -> CheckedSettings:
        """Check settings, and take what is secret apart. Raises InvalidError, DefinitionError."""
        known = self._kind(kind)
        try:
            valid = known.settings.model_validate(dict(settings))
        except ValidationError as error:
            # Not as its cause: pydantic's own error repeats what was set, which may be secret.
            raise problems_of(error) from None
        said, secrets = taken_apart(valid)
        return CheckedSettings(settings=said, secrets=secrets, own=_not_own(known, valid))

    def _kind(self, name: str) -> Kind[Any]:
        if name not in self._kinds:
            raise InvalidError(
                f"There is no kind of computing “{name[:40]}”.",
                hint=f"Use one of: {', '.join(self._kinds)}.",
                field="kind",
            )
        return self._kinds[name]


def _by_key(kind: Kind[Any], settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return settings to begin with in which a host is entered as people may say it for themselves."""
    return (
        with_value(settings, "host.identity", Identity.KEY.value) if "host" in kind.settings.model_fields else settings
    )


def _not_own(kind: Kind[Any], settings: BaseModel) -> str:
    """Say what in some settings is not a person's to decide; "": nothing."""
    if kind.own is None:
        return NOT_OWN
    hosts = [value for value in dict(settings).values() if isinstance(value, HostSettings)]
    if any(host.identity is not Identity.KEY for host in hosts):
        return NOT_BY_KEY
    return kind.own(settings)
