"""The platform's side of the connection to an agent: one stream of bytes, in which many have room."""

from specola.computing.batch.agent.mux import GREETING, Carrier, HostileError, Link, Reply, Request, Stream

__all__ = ["GREETING", "Carrier", "HostileError", "Link", "Reply", "Request", "Stream"]
