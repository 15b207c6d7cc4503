"""How much is taken of what commands write, wherever they run."""

__all__ = ["CHUNK", "ERRORS_KEPT", "KILLED", "MOST_OUTPUT"]

CHUNK = 256 * 1024
MOST_OUTPUT = 5 * 1024**2
ERRORS_KEPT = 64 * 1024
"""Of complaints, the newest."""
KILLED = 128
"""What a signal's number is added to where a signal has ended a command."""
