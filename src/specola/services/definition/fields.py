"""One table of a definition, read key by key: says what is expected, and collects what is wrong."""

import difflib
import math
import re
from collections.abc import Callable, Collection, Sequence
from enum import StrEnum
from typing import TypeVar

from specola.domain.errors import InvalidError, Problem
from specola.services.definition.tree import MOST_PROBLEMS, Node, NodeKind

__all__ = ["Check", "Fields"]

Check = Callable[[str], str | None]
"""Says what is wrong with a text, or None."""

Word = TypeVar("Word", bound=StrEnum)
T = TypeVar("T")
TRUE = frozenset({"true", "yes", "on"})
FALSE = frozenset({"false", "no", "off"})
MOST_ITEMS = 256
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class Fields:
    """The keys of one table. Each method takes a key; a wrong value becomes a problem and reads as the default.

    `finish` reports the keys that nobody asked for.
    """

    def __init__(self, node: Node, path: str, problems: list[Problem]) -> None:
        self.node = node
        self._path = path
        self._problems = problems
        self._asked: list[str] = []
        self._entries: dict[str, tuple[Node, Node]] = {}
        if node.kind is NodeKind.MAP:
            self._entries = {key.text: (key, value) for key, value in node.entries if key.kind is NodeKind.TEXT}
        elif not node.is_null:
            self.fault("", f"this has to be {NodeKind.MAP.value}, not {node.kind.value}")

    # -- places and problems ----------------------------------------------------------------------------------------

    def path(self, key: str) -> str:
        """Return the whole path of `key`: `interfaces[0].port`."""
        return f"{self._path}.{key}" if self._path and key else self._path + key

    def fault(self, key: str, sentence: str) -> None:
        """Report that `key` (here as a whole: "") is wrong."""
        place = self._entries[key][1] if key in self._entries else self.node
        self._fault_at(place, self.path(key), sentence)

    def _fault_at(self, node: Node, path: str, sentence: str) -> None:
        if len(self._problems) < MOST_PROBLEMS:
            self._problems.append(Problem(path, sentence.removesuffix("."), line=node.line, column=node.column))

    def has(self, key: str) -> bool:
        """Tell whether `key` is written here with a value."""
        return key in self._entries and not self._entries[key][1].is_null

    def is_list(self, key: str) -> bool:
        """Tell whether a list is written at `key`."""
        return self.has(key) and self._entries[key][1].kind is NodeKind.LIST

    def know(self, key: str) -> None:
        """Count `key` among the known ones, though it means nothing here."""
        self._asked.append(key)

    def _value(self, key: str, kind: NodeKind) -> Node | None:
        self._asked.append(key)
        if not self.has(key):
            return None
        node = self._entries[key][1]
        if node.kind is not kind:
            self.fault(key, f"this has to be {kind.value}, not {node.kind.value}")
            return None
        return node

    def refuse(self, keys: Sequence[str], sentence: str) -> None:
        """Report each of `keys` that is written here, all known but not meant for this place."""
        for key in keys:
            if key in self._entries and key not in self._asked:
                self._asked.append(key)
                self.fault(key, sentence)

    def finish(self) -> None:
        """Report the keys that nobody asked for, with the one that was probably meant."""
        unknown = [(name, key) for name, (key, _) in self._entries.items() if name not in self._asked]
        for name, key in unknown[:MOST_PROBLEMS]:
            near = difflib.get_close_matches(name, self._asked, n=1)
            known = f"did you mean “{near[0]}”?" if near else f"known are {', '.join(sorted(set(self._asked)))}"
            self._fault_at(key, self.path(name[:60]), f"there is no such key; {known}")

    def text_of(self, key: str) -> str:
        """Return a text as it stands here, unchecked; "" where there is none."""
        node = self._entries[key][1] if key in self._entries else None
        return node.text if node is not None and node.kind is NodeKind.TEXT else ""

    # -- single values ----------------------------------------------------------------------------------------------

    def text(self, key: str, default: str = "", *, most: int = 1000, check: Check | None = None) -> str:
        """Return a text as it is written, checked."""
        node = self._value(key, NodeKind.TEXT)
        if node is None:
            return default
        return node.text if self._is_good(node, self.path(key), most=most, check=check) else default

    def required(self, key: str, *, most: int = 1000, check: Check | None = None) -> str:
        """Return a text that has to be there."""
        if not self.has(key):
            self._asked.append(key)
            self.fault("", f"“{key}” is missing")
            return ""
        return self.text(key, most=most, check=check)

    def _is_good(self, node: Node, path: str, *, most: int, check: Check | None) -> bool:
        sentence = None
        if len(node.text) > most:
            sentence = f"this has {len(node.text)} characters; at most {most} are allowed"
        elif CONTROL.search(node.text):
            sentence = "this has control characters"
        elif check is not None:
            sentence = check(node.text)
        if sentence is not None:
            self._fault_at(node, path, sentence)
        return sentence is None

    def parsed(self, key: str, default: T, parse: Callable[[str], T]) -> T:
        """Return what `parse` makes of a text; its InvalidError becomes a problem."""
        node = self._value(key, NodeKind.TEXT)
        if node is None:
            return default
        try:
            return parse(node.text)
        except InvalidError as error:
            self.fault(key, error.sentence)
            return default

    def whole(self, key: str, default: int, *, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`."""

        def parse(text: str) -> int:
            digits = text.removeprefix("-")
            if not (digits.isascii() and digits.isdigit() and len(digits) < 19 and low <= int(text) <= high):
                raise InvalidError(f"“{text[:40]}” has to be a whole number from {low} to {high}")
            return int(text)

        return self.parsed(key, default, parse)

    def number(self, key: str, *, low: float = -1e15, high: float = 1e15) -> float | None:
        """Return a number from `low` to `high`, None if there is none."""

        def parse(text: str) -> float | None:
            try:
                number = float(text)
            except ValueError:
                number = math.nan
            if not low <= number <= high or "_" in text:
                raise InvalidError(f"“{text[:40]}” has to be a number from {low:g} to {high:g}")
            return number

        return self.parsed(key, None, parse)

    def boolean(self, key: str, *, default: bool = False) -> bool:
        """Return true or false."""

        def parse(text: str) -> bool:
            if text.lower() not in TRUE | FALSE:
                raise InvalidError(f"“{text[:40]}” has to be true or false")
            return text.lower() in TRUE

        return self.parsed(key, default, parse)

    def choice(self, key: str, default: Word, *, never: Collection[Word] = ()) -> Word:
        """Return one of the words of an enum that are not among `never`."""
        words = [word.value for word in type(default) if word not in never]

        def parse(text: str) -> Word:
            if text not in words:
                near = difflib.get_close_matches(text, words, n=1)
                more = f"; did you mean “{near[0]}”?" if near else ""
                raise InvalidError(f"“{text[:40]}” has to be one of {', '.join(words)}{more}")
            return type(default)(text)

        return self.parsed(key, default, parse)

    # -- many values ------------------------------------------------------------------------------------------------

    def texts(self, key: str, *, most: int = 1000, check: Check | None = None) -> tuple[str, ...]:
        """Return a list of texts."""
        good = []
        for path, node in self._items(key):
            if node.kind is not NodeKind.TEXT:
                self._fault_at(node, path, f"this has to be a text, not {node.kind.value}")
            elif self._is_good(node, path, most=most, check=check):
                good.append(node.text)
        return tuple(good)

    def table(self, key: str, *, most: int, name: Check, value: Check | None = None) -> dict[str, str]:
        """Return a table of texts; `name` and `value` check its two sides."""
        node = self._value(key, NodeKind.MAP)
        found: dict[str, str] = {}
        if node is not None and len(node.entries) > MOST_ITEMS:
            self.fault(key, f"this has {len(node.entries)} keys; at most {MOST_ITEMS} are allowed")
            return found
        for one, entry in node.entries if node else []:
            path = f"{self.path(key)}.{one.text[:60]}"
            sentence = name(one.text)
            if sentence is not None:
                self._fault_at(one, path, sentence)
            elif entry.kind is not NodeKind.TEXT:
                self._fault_at(entry, path, f"this has to be a text, not {entry.kind.value}")
            elif self._is_good(entry, path, most=most, check=value):
                found[one.text] = "" if entry.is_null else entry.text
        return found

    def child(self, key: str) -> "Fields | None":
        """Return the table below `key`, if there is one."""
        node = self._value(key, NodeKind.MAP)
        return None if node is None else Fields(node, self.path(key), self._problems)

    def children(self, key: str) -> "list[Fields]":
        """Return the tables of a list."""
        return [Fields(node, path, self._problems) for path, node in self._items(key)]

    def _items(self, key: str) -> list[tuple[str, Node]]:
        node = self._value(key, NodeKind.LIST)
        if node is None:
            return []
        if len(node.items) > MOST_ITEMS:
            self.fault(key, f"this has {len(node.items)} items; at most {MOST_ITEMS} are allowed")
            return []
        return [(f"{self.path(key)}[{index}]", item) for index, item in enumerate(node.items)]
