"""A line of text on every terminal in a container that its user may write to."""

from specola.computing.inside.paths import HELPER

__all__ = ["TELLING_SECONDS", "telling"]

TELLING_SECONDS = 5.0
"""How long it may take."""
# Each terminal is written to by a process of its own: one whose output is held (Ctrl-S) holds up no other.
WRITE = (
    'for one in /dev/pts/[0-9]*; do [ -w "$one" ] && printf "\\r\\n\\007[specola] %s\\r\\n" "$1" > "$one" & done; wait'
)


def telling(text: str) -> tuple[str, ...]:
    """Return the command that shows a line; what a terminal would take for an order is left out."""
    return HELPER, "sh", "-c", WRITE, "tell", "".join(one if one.isprintable() else " " for one in text)
