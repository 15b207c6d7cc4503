"""Offers of computings, read from a definition and written into one."""

from typing import Any

from specola.domain.durations import format_duration, parse_duration
from specola.domain.errors import InvalidError
from specola.domain.offer import Amounts, Offer, mirror_fault
from specola.domain.sizes import format_size, parse_size
from specola.services.definition.fields import Fields

__all__ = ["read_offer", "write_offer"]


def read_offer(fields: Fields | None) -> Offer:
    """Return the offer that stands in a table; what is wrong with it becomes a problem."""
    if fields is None:
        return Offer()
    maximum, default = _amounts(fields, "maximum"), _amounts(fields, "default")
    partitions, projects = fields.texts("partitions", most=64), fields.texts("projects", most=64)
    options, mirrors = _options(fields), fields.table("mirrors", most=255, name=mirror_fault, value=mirror_fault)
    fields.finish()
    try:
        return Offer(
            maximum=maximum,
            default=default,
            partitions=partitions,
            projects=projects,
            options=options,
            mirrors=mirrors,
        )
    except InvalidError as error:
        # A field below a table is reported at the table: the offer knows no lines.
        table, _, rest = error.field.partition(".")
        fields.fault(table, f"{rest}: {error.sentence}" if rest else error.sentence)
        return Offer()


def _amounts(fields: Fields, name: str) -> Amounts:
    table = fields.child(name)
    if table is None:
        return Amounts()
    cpus, gpus = table.number("cpus", low=0.01, high=1e6), table.number("gpus", low=0, high=1e6)
    memory, time = table.parsed("memory", None, parse_size), table.parsed("time", None, parse_duration)
    if gpus is not None and gpus != int(gpus):
        table.fault("gpus", "this has to be a whole number")
    table.finish()
    try:
        return Amounts(cpus=cpus, memory=memory, gpus=None if gpus is None else int(gpus), time=time)
    except InvalidError as error:
        table.fault(error.field, error.sentence)
        return Amounts()


def _options(fields: Fields) -> dict[str, tuple[str, ...]]:
    table = fields.child("options")
    if table is None:
        return {}
    names = [key.text for key, _ in table.node.entries]
    return {name: table.texts(name, most=64) for name in names if name}


def write_offer(offer: Offer) -> dict[str, Any]:
    """Return the table of an offer; what it does not say is left out."""
    table: dict[str, Any] = {"maximum": _written(offer.maximum), "default": _written(offer.default)}
    table |= {"partitions": list(offer.partitions), "projects": list(offer.projects)}
    table["options"] = {name: list(values) for name, values in offer.options.items()}
    table["mirrors"] = dict(offer.mirrors)
    return {key: value for key, value in table.items() if value}


def _written(amounts: Amounts) -> dict[str, Any]:
    cpus = amounts.cpus
    table: dict[str, Any] = {
        "cpus": int(cpus) if cpus is not None and cpus == int(cpus) else cpus,
        "memory": None if amounts.memory is None else format_size(amounts.memory),
        "gpus": amounts.gpus,
        "time": None if amounts.time is None else format_duration(amounts.time),
    }
    return {key: value for key, value in table.items() if value is not None}
