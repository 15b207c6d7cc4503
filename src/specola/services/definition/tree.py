"""The tree of a YAML or JSON text: scalars, lists and maps that know their line and column."""

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import NoReturn

import yaml

from specola.domain.errors import DefinitionError, Problem

__all__ = ["LARGEST", "MOST_PROBLEMS", "Node", "NodeKind", "compose"]

LARGEST = 256 * 1024
DEEPEST = 20
MOST_PROBLEMS = 100
PAIR = re.compile(r"(?<!\\)((?:\\\\)*)\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})", re.IGNORECASE)
NULLS = frozenset({"", "~", "null", "Null", "NULL"})


class NodeKind(Enum):
    """What a node is, as it reads in a sentence."""

    TEXT = "a text"
    LIST = "a list"
    MAP = "a table of keys and values"


@dataclass(slots=True, kw_only=True)
class Node:
    """One value of the text, with its place (from 1). `text` is uninterpreted: `1.10` stays `1.10`, `no` stays `no`.

    YAML's guesses at types are not taken; whoever reads a node says what is expected there.
    """

    kind: NodeKind
    line: int
    column: int
    text: str = ""
    quoted: bool = False
    items: "list[Node]" = field(default_factory=list)
    entries: "list[tuple[Node, Node]]" = field(default_factory=list)

    @property
    def is_null(self) -> bool:
        """Whether nothing stands there, or YAML's or JSON's null."""
        return self.kind is NodeKind.TEXT and not self.quoted and self.text in NULLS


def compose(text: str, problems: list[Problem]) -> Node:
    """Read `text` into a tree; what is wrong without hiding the rest is added to `problems`.

    Raises
    ------
    DefinitionError
        The text has no tree: it is too large, nested too deep, empty, or not YAML.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise DefinitionError([Problem("", "the text is not valid Unicode")]) from error
    if size > LARGEST:
        raise DefinitionError([Problem("", f"the text has {size} bytes, and at most {LARGEST} are read")])
    builder = _Builder(problems)
    try:
        for event in yaml.parse(_with_whole_characters(text), Loader=yaml.CSafeLoader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise DefinitionError([*problems, Problem("", _sentence(error), line=line, column=column)]) from error
    except yaml.YAMLError as error:
        raise DefinitionError([*problems, Problem("", "the text has characters that YAML does not allow")]) from error
    if builder.root is None:
        raise DefinitionError([*problems, Problem("", "the text is empty", line=1, column=1)])
    return builder.root


def _with_whole_characters(text: str) -> str:
    """Write JSON's two escapes of one character beyond the basic plane (RFC 8259, 7) as the one that YAML knows."""

    def join(found: re.Match[str]) -> str:
        high, low = int(found[2], 16), int(found[3], 16)
        return f"{found[1]}\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"

    return PAIR.sub(join, text) if text.lstrip().startswith("{") else text


def _sentence(error: yaml.MarkedYAMLError) -> str:
    context = f"{error.context}, " if error.context else ""
    return f"this is not YAML: {context}{error.problem or 'cannot be read'}"


def _place(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (0, 0)


class _Builder:
    """Makes the tree from the parser's events, without recursion and without following aliases.

    A few lines of aliases can stand for billions of values; since nothing in a definition needs them, they are refused.
    """

    def __init__(self, problems: list[Problem]) -> None:
        self.root: Node | None = None
        self._problems = problems
        self._open: list[Node] = []
        self._keys: list[Node | None] = []
        self._lines: list[dict[str, int]] = []
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        """Take the next event."""
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self._stop(event, "a second document begins here; write one definition only")
        elif isinstance(event, yaml.AliasEvent):
            self._fault(event, f"the alias *{event.anchor} is not followed; write the value out")
            self._add(self._node(event, NodeKind.TEXT))
        elif isinstance(event, yaml.ScalarEvent):
            self._check_tag(event)
            node = self._node(event, NodeKind.TEXT)
            node.text = event.value
            node.quoted = event.style in {"'", '"', "|", ">"}
            self._add(node)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._begin(event, NodeKind.LIST)
        elif isinstance(event, yaml.MappingStartEvent):
            self._begin(event, NodeKind.MAP)
        elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
            self._open.pop()
            self._keys.pop()
            self._lines.pop()

    def _begin(self, event: yaml.CollectionStartEvent, kind: NodeKind) -> None:
        self._check_tag(event)
        if len(self._open) >= DEEPEST:
            self._stop(event, f"the text is nested deeper than {DEEPEST} levels")
        node = self._node(event, kind)
        self._add(node)
        self._open.append(node)
        self._keys.append(None)
        self._lines.append({})

    def _add(self, node: Node) -> None:
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        key = self._keys[-1]
        if parent.kind is NodeKind.LIST:
            parent.items.append(node)
        elif key is None:
            self._keys[-1] = node
        else:
            self._keys[-1] = None
            self._add_entry(parent, key, node)

    def _add_entry(self, parent: Node, key: Node, value: Node) -> None:
        lines = self._lines[-1]
        if key.kind is not NodeKind.TEXT:
            self._report("a key has to be a word", key.line, key.column)
        elif key.text in lines:
            sentence = f"the key “{key.text[:60]}” stands here twice, first in line {lines[key.text]}"
            self._report(sentence, key.line, key.column)
        else:
            lines[key.text] = key.line
            parent.entries.append((key, value))

    def _check_tag(self, event: yaml.NodeEvent) -> None:
        if getattr(event, "tag", None) is not None:
            self._fault(event, "tags (!) are not used in definitions; leave it out")

    def _node(self, event: yaml.Event, kind: NodeKind) -> Node:
        line, column = _place(event)
        return Node(kind=kind, line=line, column=column)

    def _fault(self, event: yaml.Event, sentence: str) -> None:
        self._report(sentence, *_place(event))

    def _report(self, sentence: str, line: int, column: int) -> None:
        self._problems.append(Problem("", sentence, line=line, column=column))
        if len(self._problems) >= MOST_PROBLEMS:
            raise DefinitionError(self._problems)

    def _stop(self, event: yaml.Event, sentence: str) -> NoReturn:
        self._fault(event, sentence)
        raise DefinitionError(self._problems)
