"""What goes over the connector's socket: values as JSON, and back as the same classes."""

from pydantic import TypeAdapter

from specola.domain.computing import ImageDetails, LogLine, Probe, Usage

__all__ = ["IMAGE", "LINE", "PROBE", "PROBLEM", "USAGE"]

PROBE = TypeAdapter(Probe)
IMAGE = TypeAdapter(ImageDetails)
LINE = TypeAdapter(LogLine)
USAGE = TypeAdapter(dict[str, list[Usage]])

PROBLEM = "application/problem+json"
