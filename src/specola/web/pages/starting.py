"""The options of a start: what the chosen computing takes, with its defaults and maxima, and how long one would wait there."""

from dataclasses import replace
from typing import Any

from specola.domain.errors import SpecolaError
from specola.domain.person import Actor
from specola.domain.sizes import format_size
from specola.domain.software import Release, Resources
from specola.domain.waits import Expected
from specola.factory import Services
from specola.services.offered import Offered
from specola.web.forms import Filled, read_wish

__all__ = ["start_context"]


async def start_context(
    services: Services, actor: Actor, form: Filled, release: Release, *, command: str
) -> dict[str, Any]:
    """Return what the options of a start show.

    Parameters
    ----------
    form
        What was chosen so far; a computing or partition that is not there counts as not chosen.
    release
        What is to be started.
    command
        The beginning of the command line that does the same.
    """
    computings = await services.computings.list(actor)
    names = [one.name for one in computings]
    name = form["computing"] if form["computing"] in names else next(iter(names), "")
    offer = await services.offers.of(actor, name, partition=form["partition"] or None) if name else None
    if offer is not None and form.error is None and not form.faults:
        form = lowered(form, offer)
    return {
        "form": form,
        "computings": computings,
        "offer": offer,
        "wait": await _wait(services, actor, form, release, offer) if offer and offer.queues else None,
        "usual_time": release.time or (offer.usual.time if offer else None),
        "command": command_line(command, form, offer, first=next(iter(names), "")),
    }


def lowered(form: Filled, offer: Offered) -> Filled:
    """Return a form that asks for no more than a computing takes, where that can be read: it was chosen after the size."""
    try:
        wish = read_wish(form)
    except SpecolaError:
        return form
    values, most = dict(form.values), offer.most
    if wish.cpus is not None and most.cpus is not None and wish.cpus > most.cpus:
        values["cpus"] = f"{most.cpus:g}"
    if wish.memory is not None and most.memory is not None and wish.memory > most.memory:
        values["memory"] = format_size(most.memory)
    return replace(form, values=values)


async def _wait(services: Services, actor: Actor, form: Filled, release: Release, offer: Offered) -> Expected | None:
    try:
        wish = read_wish(form)
    except SpecolaError:
        # What is typed is not a size yet: about how long one waits can still be said.
        wish = read_wish(Filled())
    usual = release.resources
    size = Resources(
        cpus=wish.cpus or usual.cpus,
        memory=wish.memory or usual.memory,
        gpus=usual.gpus if wish.gpus is None else wish.gpus,
    )
    partition = form["partition"] if any(one.name == form["partition"] for one in offer.partitions) else None
    return await services.offers.wait(actor, offer.computing, resources=size, partition=partition)


def command_line(begin: str, form: Filled, offer: Offered | None, *, first: str) -> str:
    """Return the command that asks for the same."""
    words = [begin]
    if offer is not None and offer.computing != first:
        words += ["--on", offer.computing]
    # The command line calls what use is booked on as schedulers do.
    for name, option in (*((name, name) for name in ("cpus", "memory", "time", "partition")), ("project", "account")):
        if form[name].strip():
            words += [f"--{option}", form[name].strip()]
    if form["gpus"].strip() not in {"", "0"}:
        model = f"{form['gpu_model']}:" if form["gpu_model"] else ""
        words += ["--gpus", f"{model}{form['gpus'].strip()}"]
    for name in offer.options if offer else ():
        if form[f"queue_options.{name}"].strip():
            words += ["--queue-option", f"{name}={form[f'queue_options.{name}'].strip()}"]
    return " ".join(words)
