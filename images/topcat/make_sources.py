"""Measures what shines in the picture of M51, as a table that TOPCAT and others open.

Run with the FITS file to read and the VOTable to write; needs astropy and numpy.
"""

import sys
from pathlib import Path

import numpy as np
from astropy import units
from astropy.io import fits
from astropy.stats import sigma_clipped_stats
from astropy.table import Column, QTable
from astropy.wcs import WCS

__all__ = ["main"]

BOX = 32
REACH = 3
SIGMAS = 8.0


def background(picture: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the level below each pixel, and the noise of the sky, both in counts."""
    rows, columns = (side // BOX for side in picture.shape)
    boxes = picture.reshape(rows, BOX, columns, BOX)
    level = np.median(boxes, axis=(1, 3))
    return np.kron(level, np.ones((BOX, BOX))), float(sigma_clipped_stats(picture)[2])


def peaks(picture: np.ndarray, least: float) -> list[tuple[int, int]]:
    """Return row and column of each pixel that is the highest within REACH of it, and at least `least`."""
    found = []
    for row, column in np.argwhere(picture >= least):
        if min(row, column) < REACH or row >= picture.shape[0] - REACH or column >= picture.shape[1] - REACH:
            continue
        around = picture[row - REACH : row + REACH + 1, column - REACH : column + REACH + 1]
        if picture[row, column] == around.max() and np.count_nonzero(around == around.max()) == 1:
            found.append((int(row), int(column)))
    return found


def main(source: Path, target: Path) -> None:
    """Read `source` and write `target`, the same bytes each time."""
    with fits.open(source) as opened:
        picture, places = opened[0].data.astype(float), WCS(opened[0].header)
    below, noise = background(picture)
    above = picture - below
    rows = []
    for row, column in peaks(above, SIGMAS * noise):
        stamp = above[row - REACH : row + REACH + 1, column - REACH : column + REACH + 1].clip(min=0)
        steps = np.arange(-REACH, REACH + 1)
        flux = float(stamp.sum())
        y, x = float(row + (stamp.sum(axis=1) @ steps) / flux), float(column + (stamp.sum(axis=0) @ steps) / flux)
        spread = np.sqrt((stamp * (steps[:, None] ** 2 + steps**2)).sum() / flux / 2)
        place = places.pixel_to_world(x, y)
        rows.append((place.ra.deg, place.dec.deg, x + 1, y + 1, flux, picture[row, column], below[row, column], spread))
    rows.sort(key=lambda one: -one[4])
    table = QTable(
        rows=[(number, *(round(float(value), 6) for value in row)) for number, row in enumerate(rows, start=1)],
        names=("id", "ra", "dec", "x", "y", "flux", "peak", "background", "spread"),
        units={"ra": units.deg, "dec": units.deg, "x": units.pix, "y": units.pix, "spread": units.pix},
        meta={"name": "M51 sources", "description": "What shines in m51.fits, brightest first (FK4, B1950)"},
    )
    assert isinstance(table["id"], Column)
    table.write(target, format="votable", overwrite=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
