"""What builds, checks and sets up Specola: standard library of Python 3.11 only, since it runs before anything is installed."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - it is older Pythons that have to be told
    sys.exit("specola: Python 3.11 or later is needed; name one by `make PYTHON=python3.11 run`.")
