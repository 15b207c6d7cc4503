"""Placeholders in commands, environments and credential templates: `{credential}` and `{parameters.NAME}`."""

import re
from collections.abc import Mapping

__all__ = ["fill"]

PLACEHOLDER = re.compile(r"\{credential\}|\{parameters\.([A-Za-z_][A-Za-z0-9_]*)\}")


def fill(text: str, *, credential: str, parameters: Mapping[str, str]) -> str:
    """Return `text` with its placeholders replaced, in one pass: what is put in is not looked at again.

    Anything else in braces, a placeholder of an unknown parameter too, stays as it is.
    """

    def value(found: re.Match[str]) -> str:
        name = found[1]
        return credential if name is None else parameters.get(name, found[0])

    return PLACEHOLDER.sub(value, text)
