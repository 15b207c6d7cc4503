"""How things are measured: a load generator, the kernel's account of CPU time, resident memory."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.contenders import COOKIE, HOST, OTHERS_CORE

__all__ = ["Load", "bulk", "cpu_seconds", "latency_ms", "load", "resident"]

HEADERS = (f"Host: {HOST}", f"Cookie: __Host-specola={COOKIE}")
REQUESTS = re.compile(r"(\d+) requests in ([\d.]+)s")
MEDIAN = re.compile(r"50%\s+([\d.]+)(us|ms|s)")
ERRORS = re.compile(r"Non-2xx|Socket errors")
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


@dataclass(frozen=True, slots=True)
class Load:
    """One run of the load generator."""

    requests: int
    per_second: float
    median_ms: float


def latency_ms(port: int, path: str, *, seconds: float) -> float:
    """Return the median time of a request on one connection, on whatever core the kernel chooses."""
    return load(port, path, connections=1, seconds=seconds, cores=range(os.cpu_count() or 1)).median_ms


def load(port: int, path: str, *, connections: int, seconds: float, cores: Iterable[int] = (OTHERS_CORE,)) -> Load:
    """Ask for a path over and over; raises RuntimeError if any answer was not good."""
    argv = [
        "taskset",
        "-c",
        ",".join(map(str, cores)),
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{max(1, round(seconds))}s",
        "--latency",
    ]
    argv += [word for header in HEADERS for word in ("-H", header)]
    text = subprocess.run([*argv, f"http://127.0.0.1:{port}{path}"], check=True, capture_output=True, text=True).stdout
    requests, median = REQUESTS.search(text), MEDIAN.search(text)
    if requests is None or median is None or ERRORS.search(text):
        raise RuntimeError(f"the load generator was not served well:\n{text}")
    return Load(
        requests=int(requests[1]),
        per_second=int(requests[1]) / float(requests[2]),
        median_ms=float(median[1]) * UNITS[median[2]],
    )


def bulk(port: int, path: str, *, seconds: float) -> float:
    """Ask for a large path over and over on one connection; returns bytes for each second."""
    argv = [
        "taskset",
        "-c",
        str(OTHERS_CORE),
        sys.executable,
        "-m",
        "bench.sink",
        str(port),
        path,
        str(seconds),
        *HEADERS,
    ]
    return float(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)


def cpu_seconds(pid: int) -> float:
    """Return user and system time that a process has used, all its threads together (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> int:
    """Return the bytes of memory that a process has in use."""
    text = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", text)
    if found is None:
        raise RuntimeError(f"process {pid} has ended")
    return int(found[1]) * 1024
