"""What goes over the connector's socket: values as JSON, and back as the same classes."""

from pydantic import TypeAdapter

from specola.domain.account_link import AccountSeen
from specola.domain.computing import ImageDetails, LogLine, Probe, Usage
from specola.ports.connector import ShownKey

__all__ = ["IMAGE", "KEYS", "LINE", "PROBE", "PROBLEM", "SEEN", "USAGE"]

PROBE = TypeAdapter(Probe)
IMAGE = TypeAdapter(ImageDetails)
KEYS = TypeAdapter(list[ShownKey])
LINE = TypeAdapter(LogLine)
SEEN = TypeAdapter(AccountSeen)
USAGE = TypeAdapter(dict[str, list[Usage]])

PROBLEM = "application/problem+json"
