"""What goes over the connector's socket: values as JSON, and back as the same classes."""

from pydantic import TypeAdapter

from specola.domain.account_link import AccountSeen
from specola.domain.computing import ImageDetails, LogLine, Probe, Usage

__all__ = ["IMAGE", "LINE", "PROBE", "PROBLEM", "SEEN", "USAGE"]

PROBE = TypeAdapter(Probe)
IMAGE = TypeAdapter(ImageDetails)
LINE = TypeAdapter(LogLine)
SEEN = TypeAdapter(AccountSeen)
USAGE = TypeAdapter(dict[str, list[Usage]])

PROBLEM = "application/problem+json"
