"""Documents: domain values that are stored whole, as JSON."""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter

from specola.domain.computing import Probe
from specola.domain.offer import Offer
from specola.domain.placement import Forecast, Placement
from specola.domain.software import Release, Resources
from specola.domain.task import ImageRecord, InterfaceState, Reason

__all__ = [
    "FORECAST",
    "IMAGE",
    "INTERFACES",
    "OFFER",
    "PLACEMENT",
    "PROBE",
    "REASON",
    "RELEASE",
    "RESOURCES",
    "Document",
    "storable",
]

T = TypeVar("T")


class Document(Generic[T]):
    """Writes and reads values of one type. A field that an older document lacks reads as its default."""

    def __init__(self, kind: type[T]) -> None:
        self._adapter: TypeAdapter[T] = TypeAdapter(kind)

    def write(self, value: T) -> Any:
        """Return `value` in what JSON can say."""
        return storable(self._adapter.dump_python(value, mode="json"))

    def read(self, document: Any) -> T:
        """Return the value that a document says."""
        return self._adapter.validate_python(document)


def storable(value: Any) -> Any:
    """Return a text, or whatever JSON can say, with what PostgreSQL cannot keep replaced: NUL, and lone surrogates.

    A container may write such things, and its last words become events. Names with a NUL come from outside as well;
    none is ever stored, so nothing is found for them.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, Mapping):
        return {storable(key): storable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [storable(one) for one in value]
    return value


RELEASE = Document(Release)
RESOURCES = Document(Resources)
IMAGE = Document(ImageRecord)
REASON = Document(Reason)
INTERFACES = Document(tuple[InterfaceState, ...])
PROBE = Document(Probe)
PLACEMENT = Document(Placement)
FORECAST = Document(Forecast)
OFFER = Document(Offer)
