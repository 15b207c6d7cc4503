"""Words and numbers as the pages write them: durations, sizes, moments, states, initials."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

from specola.domain.account_link import Proof
from specola.domain.computing import Usage
from specola.domain.connection import ConnectionKind
from specola.domain.durations import format_duration
from specola.domain.link import GUEST
from specola.domain.placement import Partition
from specola.domain.sizes import about_size
from specola.domain.software import Protocol
from specola.domain.task import TaskState
from specola.services.offered import Offered
from specola.web import charts

__all__ = ["FILTERS", "PROOF_WORDS", "duration", "memory", "state_word", "transfer"]

HUES = 10
STATE_WORDS: Mapping[TaskState, str] = {
    TaskState.QUEUED: "Queued",
    TaskState.STARTING: "Starting",
    TaskState.RUNNING: "Running",
    TaskState.STOPPING: "Stopping",
    TaskState.FINISHED: "Finished",
    TaskState.FAILED: "Failed",
    TaskState.STOPPED: "Stopped",
}
PROTOCOL_WORDS: Mapping[Protocol, str] = {
    Protocol.HTTP: "web",
    Protocol.HTTPS: "web",
    Protocol.RFB: "desktop",
    Protocol.POSTGRES: "PostgreSQL",
    Protocol.MYSQL: "MySQL",
    Protocol.REDIS: "Redis",
    Protocol.GRPC: "gRPC",
    Protocol.TCP: "TCP",
    Protocol.SSH: "SSH",
}
KIND_WORDS: Mapping[ConnectionKind, str] = {
    ConnectionKind.HTTP: "visit",
    ConnectionKind.WEBSOCKET: "WebSocket",
    ConnectionKind.TUNNEL: "TCP by WebSocket",
    ConnectionKind.TLS: "TCP by TLS",
    ConnectionKind.TERMINAL: "terminal",
    ConnectionKind.DESKTOP: "desktop",
    ConnectionKind.SSH: "SSH",
    ConnectionKind.SFTP: "files by SSH",
    ConnectionKind.FORWARD: "TCP by SSH",
}
PROOF_WORDS: Mapping[Proof, str] = {
    Proof.ENTERED: "entered by an administrator",
    Proof.KEY: "proven by its key",
    Proof.CHALLENGE: "proven by words in its home",
}
REFUSALS: Mapping[str, str] = {
    "sign_in": "unknown or ended sign-in",
    "missing": "no right to this task",
    "revoked": "right taken back meanwhile",
}


def state_word(state: TaskState) -> str:
    """Return the word that stands beside a state's colour."""
    return STATE_WORDS[state]


def protocol_word(protocol: Protocol) -> str:
    """Return what an interface is to people."""
    return PROTOCOL_WORDS.get(protocol, protocol.value)


def kind_word(kind: ConnectionKind) -> str:
    """Return by what a task was reached, as people say it."""
    return KIND_WORDS.get(kind, kind.value)


def refusal_word(code: str) -> str:
    """Return why a visitor was refused."""
    return REFUSALS.get(code, code)


def duration(seconds: float) -> str:
    """Say a duration in at most two units; the script that keeps durations growing says it the same way."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    if hours < 24:
        return f"{hours} h {minutes % 60} min"
    return f"{hours // 24} d {hours % 24} h"


def memory(size: float) -> str:
    """Say an amount of memory in binary units, as resources are chosen."""
    return about_size(size)


def transfer(size: float) -> str:
    """Say an amount of data in decimal units, as networks and disks do."""
    for unit, step in (("GB", 1000**3), ("MB", 1000**2), ("kB", 1000)):
        if size >= step:
            return f"{_short(size / step)} {unit}"
    return f"{int(size)} B"


def cpus(count: float) -> str:
    """Say a number of CPUs."""
    return f"{_short(count)} CPU" if count == 1 else f"{_short(count)} CPUs"


def _short(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0") if number < 100 else f"{number:.0f}"


def number(value: float) -> str:
    """Say a number with at most one digit after the point."""
    return _short(value)


def moment(at: datetime | None) -> Markup:
    """Return a moment that the page's script turns into the reader's own time zone."""
    return _time(at, "moment", "%-d %b %Y, %H:%M UTC")


def clock_time(at: datetime | None) -> Markup:
    """Return the time of day of a moment, likewise."""
    return _time(at, "clock", "%H:%M:%S")


def since(at: datetime | None, now: datetime) -> Markup:
    """Return how long ago a moment was; the page's script lets it grow."""
    if at is None:
        return Markup("")
    return _element(at, "since", duration((now - at).total_seconds()))


def until(at: datetime | None, now: datetime) -> Markup:
    """Return how long it is until a moment; the page's script lets it shrink."""
    if at is None:
        return Markup("")
    left = (at - now).total_seconds()
    return _element(at, "until", duration(left) if left > 0 else "a moment")


def between(at: datetime | None, until: datetime | None) -> str:
    """Say how long it was from one moment to another."""
    return duration((until - at).total_seconds()) if at and until else ""


def _time(at: datetime | None, kind: str, written: str) -> Markup:
    return Markup("") if at is None else _element(at, kind, at.astimezone(UTC).strftime(written))


def _element(at: datetime, kind: str, text: str) -> Markup:
    return Markup('<time datetime="{}" data-as="{}">{}</time>').format(
        at.astimezone(UTC).isoformat(timespec="milliseconds"), kind, text
    )


def hue(name: str) -> str:
    """Return the class of the colour that belongs to a name; always the same."""
    return f"hue-{zlib.crc32(name.encode()) % HUES}"


def initials(name: str) -> str:
    """Return two characters that stand for a name."""
    parts = [part for part in name.replace("-", " ").replace(".", " ").split() if part[0].isalnum()]
    if not parts:
        return "·"
    first = parts[0]
    digit = next((character for character in first[1:] if character.isdigit()), "")
    if digit:
        return (first[0] + digit).upper()
    # The same letter twice tells little, and some pairs mean what nobody wants to say.
    if len(parts) == 1 or parts[1][0].lower() == first[0].lower():
        return first[:2].capitalize()
    return (first[0] + parts[1][0]).upper()


def short_digest(digest: str | None) -> str:
    """Return a digest's beginning and end."""
    if not digest or len(digest) < 24:
        return digest or ""
    kind, colon, rest = digest.partition(":")
    return f"{kind}{colon}{rest[:6]}…{rest[-4:]}" if colon else f"{digest[:8]}…{digest[-4:]}"


def browser(agent: str) -> str:
    """Name a browser and its system by what it says of itself; good enough to tell one's own apart."""
    # The order matters: Edge and Opera also call themselves Chrome, and Chrome calls itself Safari.
    names = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
    systems = (
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
    )
    name = next((word for sign, word in names if sign in agent), "")
    system = next((word for sign, word in (*systems, ("Linux", "Linux")) if sign in agent), "")
    return f"{name} on {system}" if name and system else name or agent[:60] or "unknown"


def spark(series: Sequence[Usage], what: str, limit: float) -> Mapping[str, str]:
    """Return the paths of a small chart of `cpus` or `memory`."""
    return charts.paths([getattr(one, what) for one in series], limit=limit)


AMOUNTS: Mapping[str, Callable[[Any], str]] = {
    "cpus": number,
    "memory": memory,
    "gpus": number,
    "time": format_duration,
}


def bounds(offer: Offered, what: str) -> str:
    """Say the most and the usual of `cpus`, `memory`, `gpus` or `time` on a computing; empty: nothing is known."""
    most, usual = getattr(offer.most, what), getattr(offer.usual, what)
    words = [] if most is None else [f"at most {AMOUNTS[what](most)}"]
    return " · ".join([*words, *([] if usual is None else [f"usually {AMOUNTS[what](usual)}"])])


def partition_choice(partition: Partition) -> tuple[str, str]:
    """Return a partition as a choice: its name, and its label."""
    return partition.name, partition.name if partition.is_open else f"{partition.name} (starts nothing now)"


def partition_words(partition: Partition) -> str:
    """Say of a partition what helps to choose it."""
    words = [f"{one.count} {one.model} GPUs" if one.model else f"{one.count} GPUs" for one in partition.gpus]
    if partition.idle is not None:
        words.insert(0, f"{cpus(partition.idle)} free now")
    return f"{partition.name}: {', '.join(words)}" if words else ""


def twice(value: str) -> tuple[str, str]:
    """Return a choice as its value and its label."""
    return value, value


def visitor_word(person: str | None, name: str | None) -> str:
    """Say who came to a task: a person, or a guest by a link."""
    if name or not person:
        return name or "unknown"
    return f"a guest, link {person.removeprefix(GUEST)}" if person.startswith(GUEST) else "somebody removed"


FILTERS: Mapping[str, Callable[..., Any]] = {
    "browser": browser,
    "between": between,
    "bounds": bounds,
    "clock_time": clock_time,
    "cpus": cpus,
    "duration": duration,
    "hue": hue,
    "initials": initials,
    "kind_word": kind_word,
    "memory": memory,
    "moment": moment,
    "number": number,
    "partition_choice": partition_choice,
    "partition_words": partition_words,
    "protocol_word": protocol_word,
    "refusal_word": refusal_word,
    "short_digest": short_digest,
    "since": since,
    "spark": spark,
    "state_word": state_word,
    "transfer": transfer,
    "twice": twice,
    "until": until,
    "visitor_word": visitor_word,
    "written": format_duration,
}
