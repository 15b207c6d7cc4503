"""Small charts as SVG paths, drawn on the server so that they need no script and no inline style."""

from collections.abc import Mapping, Sequence

__all__ = ["HEIGHT", "WIDTH", "paths"]

WIDTH = 120
HEIGHT = 28


def paths(values: Sequence[float], *, limit: float) -> Mapping[str, str]:
    """Return the line and the filled area of a series.

    Parameters
    ----------
    values
        Measurements at equal steps, oldest first, in any unit.
    limit
        What the series may reach, in the same unit; the scale's top unless a value passes it.

    Returns
    -------
    Mapping[str, str]
        `line` and `area`, in a box of `WIDTH` by `HEIGHT`; both empty for fewer than two values.
    """
    if len(values) < 2:
        return {"line": "", "area": ""}
    top = max(limit, *values) or 1.0
    step = WIDTH / (len(values) - 1)
    points = [
        f"{index * step:.1f} {HEIGHT - 1 - (HEIGHT - 2) * max(0.0, value) / top:.1f}"
        for index, value in enumerate(values)
    ]
    line = "M" + " L".join(points)
    return {"line": line, "area": f"{line} L{WIDTH} {HEIGHT} L0 {HEIGHT}Z"}
