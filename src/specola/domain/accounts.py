"""What people may choose for their accounts: names, passwords, and the free text that others will see."""

import re
import unicodedata

from specola.domain.errors import InvalidError

__all__ = ["LONGEST_PASSWORD", "SHORTEST_PASSWORD", "is_name", "tidy", "valid_name", "valid_password"]

NAME = re.compile(r"[a-z][a-z0-9-]{1,31}")
# Control, format, surrogate, private, unassigned: Unicode's general categories without a glyph of their own.
INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 1000


def is_name(text: str) -> bool:
    """Tell whether `text` could be the name of an account."""
    return NAME.fullmatch(text) is not None


def valid_name(text: str) -> str:
    """Return `text` as the name of an account.

    Raises
    ------
    InvalidError
        It is not 2 to 32 lower-case letters, digits and hyphens that begin with a letter.
    """
    if not is_name(text):
        raise InvalidError(
            "A name has 2 to 32 lower-case letters, digits and hyphens, and begins with a letter.",
            hint="For example: ada or ada-lovelace.",
            field="name",
        )
    return text


def valid_password(text: str, *, name: str) -> str:
    """Return `text` as the password of the account `name`.

    Raises
    ------
    InvalidError
        It is shorter than 10 characters or longer than 1000, the account's name, or one character over and over.

    Notes
    -----
    Length is what counts; kinds of characters are not asked for (NIST SP 800-63B, section 5.1.1.2).
    """
    if len(text) < SHORTEST_PASSWORD:
        raise InvalidError(
            f"A password has at least {SHORTEST_PASSWORD} characters.", hint="A few words are fine.", field="password"
        )
    if len(text) > LONGEST_PASSWORD:
        raise InvalidError(f"A password has at most {LONGEST_PASSWORD} characters.", field="password")
    if text.casefold() == name or len(set(text)) == 1:
        raise InvalidError("That password is too easy to guess.", hint="A few words are fine.", field="password")
    return text


def tidy(text: str, most: int) -> str:
    """Return `text` in one line of at most `most` characters, without any that are invisible or reorder others.

    Control characters, half surrogates and bidirectional overrides go; runs of white space become one space.
    """
    # A bounded part is looked at: what comes from a header may be long.
    part = unicodedata.normalize("NFC", text[: 10 * most].encode("utf-8", "ignore").decode())
    visible = "".join(c for c in part if c.isspace() or unicodedata.category(c) not in INVISIBLE)
    return " ".join(visible.split())[:most].rstrip()
