"""Turns IRAF's standard test picture of M51 into a FITS file with celestial coordinates.

Run with the folder `dev` of the Debian package `iraf` (`/usr/lib/iraf/dev`) and the file to write; needs astropy and numpy.
"""

import sys
from pathlib import Path

import numpy as np
from astropy.io import fits

__all__ = ["main"]

HEADER_BYTES = 2048
SIDE = 512
CARDS: tuple[tuple[str, str | float, str], ...] = (
    ("OBJECT", "M51", "the Whirlpool galaxy"),
    ("OBSERVAT", "KPNO", "Kitt Peak National Observatory"),
    ("DATE-OBS", "1987-04-05", ""),
    ("EXPTIME", 600.0, "[s]"),
    ("AIRMASS", 1.08015632629395, ""),
    ("CCDPICNO", 53, "original CCD picture number"),
    ("BUNIT", "adu", ""),
    ("CTYPE1", "RA---TAN", "coordinates as in IRAF's wpix.imh"),
    ("CTYPE2", "DEC--TAN", ""),
    ("CRPIX1", 257.75, ""),
    ("CRPIX2", 258.93, ""),
    ("CRVAL1", 201.94541667302, "[deg]"),
    ("CRVAL2", 47.45444, "[deg]"),
    ("CDELT1", -2.1277777e-4, "[deg]"),
    ("CDELT2", 2.1277777e-4, "[deg]"),
    ("CUNIT1", "deg", ""),
    ("CUNIT2", "deg", ""),
    ("RADESYS", "FK4", ""),
    ("EQUINOX", 1950.0, ""),
)


def main(source: Path, target: Path) -> None:
    """Read `pix.pix` in `source` and write `target`, the same bytes each time."""
    raw = (source / "pix.pix").read_bytes()[HEADER_BYTES:]
    picture = np.frombuffer(raw, dtype=">i2", count=SIDE * SIDE).reshape(SIDE, SIDE)
    hdu = fits.PrimaryHDU(picture)
    for key, value, comment in CARDS:
        hdu.header[key] = (value, comment)
    hdu.header["HISTORY"] = "IRAF's standard test picture dev$pix, from the Debian package iraf."
    hdu.writeto(target, overwrite=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
