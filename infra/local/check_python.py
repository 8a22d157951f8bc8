"""Report in one sentence that Python is too old for Counterfoil; runs on every Python."""

import sys

NEEDED = (3, 11)

if sys.version_info < NEEDED:
    found = ".".join(str(part) for part in sys.version_info[:2])
    sys.exit(
        "Counterfoil needs Python 3.11 or newer, and this is "
        + found
        + "; name a newer one: make PYTHON=python3.12 run"
    )
