"""The gateway beside nginx and configurable-http-proxy: requests, CPU, latency, bulk, memory, in turn, in one run."""

import argparse
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.contenders import Contender, contenders, serving, spread
from bench.idle import bytes_per_idle_websocket
from bench.measuring import bulk, cpu_seconds, latency_ms, load

__all__ = ["main"]

WARM_UP = 1.0


@dataclass(slots=True)
class Figures:
    """What has been measured of one contender; one entry for each round."""

    per_second: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    added_ms: list[float] = field(default_factory=list)
    bulk: list[float] = field(default_factory=list)
    idle: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Target:
    """What one figure of the gateway has to reach."""

    text: str
    value: float
    limit: float
    at_least: bool

    def line(self) -> str:
        """Say it in one line."""
        reached = self.value >= self.limit if self.at_least else self.value <= self.limit
        sign = "≥" if self.at_least else "≤"
        return f"{'reached' if reached else 'MISSED ':8} {self.text:58} {self.value:8.2f}   ({sign} {self.limit:g})"


def measure(one: Contender, figures: Figures, *, backend: Contender, seconds: float) -> None:
    """Measure one contender once, before a server."""
    load(one.port, "/small", connections=32, seconds=WARM_UP)
    before = cpu_seconds(one.pid)
    run = load(one.port, "/small", connections=32, seconds=seconds)
    figures.cpu_us.append((cpu_seconds(one.pid) - before) / run.requests * 1e6)
    figures.per_second.append(run.per_second)
    with spread(one, backend):
        direct = latency_ms(backend.port, "/small", seconds=seconds / 4)
        figures.added_ms.append(latency_ms(one.port, "/small", seconds=seconds / 2) - direct)
    figures.bulk.append(bulk(one.port, "/large", seconds=seconds / 2) / 1e9)


def targets(all_figures: Mapping[str, Figures]) -> Iterator[Target]:
    """Compare the gateway with its targets, by medians of ratios within one round."""
    ours, nginx, node = (all_figures[name] for name in ("gateway", "nginx", "configurable-http-proxy"))
    yield Target("requests/s, of nginx's", ratio(ours.per_second, nginx.per_second), 0.8, at_least=True)
    yield Target(
        "requests/s, of configurable-http-proxy's", ratio(ours.per_second, node.per_second), 3.0, at_least=True
    )
    yield Target("CPU time per request, of nginx's", ratio(ours.cpu_us, nginx.cpu_us), 1.2, at_least=False)
    yield Target("added median latency, ms", statistics.median(ours.added_ms), 0.1, at_least=False)
    yield Target("bulk, GB/s", statistics.median(ours.bulk), 1.5, at_least=True)
    yield Target("memory for an idle WebSocket, kB", statistics.median(ours.idle) / 1000, 6.0, at_least=False)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of the ratios, round by round: what disturbs a round disturbs both."""
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


def table(all_figures: Mapping[str, Figures]) -> Iterator[str]:
    """Print medians of all contenders."""
    yield f"{'':26}{'requests/s':>12}{'CPU µs':>9}{'added ms':>10}{'GB/s':>8}{'idle WS kB':>12}"
    for name, found in all_figures.items():
        middle = [statistics.median(one) for one in (found.per_second, found.cpu_us, found.added_ms, found.bulk)]
        idle = f"{statistics.median(found.idle) / 1000:12.1f}" if found.idle else ""
        yield f"{name:26}{middle[0]:12.0f}{middle[1]:9.1f}{middle[2]:10.3f}{middle[3]:8.2f}{idle}"


def main() -> None:
    """Measure in turn, several rounds."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one measurement")
    parser.add_argument("--websockets", type=int, default=2000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench") as name, serving(Path(name)) as backend:
        folder = Path(name)
        with contenders(folder, backend.port) as all_contenders:
            figures = {one.name: Figures() for one in all_contenders}
            for number in range(options.rounds):
                for one in all_contenders:
                    measure(one, figures[one.name], backend=backend, seconds=options.seconds)
                print(
                    f"round {number + 1} of {options.rounds}: "
                    + ", ".join(f"{one.name} {figures[one.name].per_second[-1]:.0f}/s" for one in all_contenders),
                    flush=True,
                )
        figures["gateway"].idle.append(bytes_per_idle_websocket(folder, options.websockets))
    print("", *table(figures), "", *(one.line() for one in targets(figures)), sep="\n")
