"""Terminals in the browser: shells inside tasks that survive a reload of their page."""

from specola.connector.terminal.server import TerminalServer
from specola.connector.terminal.sessions import Sessions

__all__ = ["Sessions", "TerminalServer"]
