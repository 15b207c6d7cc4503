"""What a computing says of itself, as commands print it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from specola.cli import output
from specola.domain.sizes import about_size

__all__ = ["print_probe", "product_of", "reach_word"]


def reach_word(computing: Mapping[str, Any]) -> str:
    """Return whether a computing answers, in its colour."""
    if computing["asked"] is None:
        return "not asked yet"
    return click.style("reachable", fg="green") if computing["reachable"] else click.style("unreachable", fg="red")


def product_of(probe: Mapping[str, Any] | None) -> str:
    """Return which software a computing is."""
    return f"{probe['product']} {probe['version']}".strip() if probe else "-"


def print_probe(probe: Mapping[str, Any]) -> None:
    """Print what a computing said of itself: what it is, its parts, and each missing thing with the way to mend it."""
    output.facts(
        (
            ("product", product_of(probe)),
            ("scheduler", probe["scheduler"]),
            ("runtimes", ", ".join(probe["runtimes"])),
            ("architectures", ", ".join(probe["architectures"])),
            ("size", _size(probe["cpus"], probe["memory"])),
            ("GPUs", _gpus(probe["gpus"])),
            ("projects", ", ".join(probe["projects"])),
            ("images", "" if probe["images"] is None else f"{probe['images']} here already"),
            ("clock", "" if probe["skew"] is None else f"{abs(probe['skew']):.1f} s {_side(probe['skew'])}"),
            ("can", ", ".join(probe["capabilities"])),
        )
    )
    if probe["partitions"]:
        click.echo()
        heads = ("PARTITION", "NODES", "LARGEST NODE", "GPUS", "IDLE", "LONGEST", "USUAL")
        output.table(heads, _partitions(probe["partitions"]))
    for finding in probe["findings"]:
        mark = click.style("missing:" if finding["serious"] else "note:", fg="red" if finding["serious"] else "yellow")
        click.echo(f"{mark} {finding['sentence']} {finding['hint']}".rstrip())


def _size(cpus: float, memory: int) -> str:
    """Return how large it is, of what it tells: not every computing tells."""
    parts = (f"{cpus:g} CPU" if cpus else "", about_size(memory) if memory else "")
    return ", ".join(one for one in parts if one)


def _side(skew: float) -> str:
    return "ahead" if skew >= 0 else "behind"


def _partitions(partitions: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[str]]:
    for one in partitions:
        marks = f"{' (default)' if one['is_default'] else ''}{'' if one['is_open'] else ' (closed)'}"
        yield (
            one["name"] + marks,
            str(one["nodes"]),
            f"{one['cpus']} CPU, {about_size(one['memory'])}",
            _gpus(one["gpus"]) or "-",
            "-" if one["idle"] is None else f"{one['idle']} CPU",
            one["longest"] or "-",
            one["usual"] or "-",
        )


def _gpus(kinds: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(f"{one['count']} {one['model'] or 'GPU'}" for one in kinds)
