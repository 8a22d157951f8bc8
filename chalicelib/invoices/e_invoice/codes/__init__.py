"""The codes that EN 16931 takes: countries (ISO 3166-1), currencies (ISO 4217), units (UN/ECE 20 and 21)."""

from functools import cache
from pathlib import Path

COUNTRIES, CURRENCIES, UNITS = "countries", "currencies", "units"


@cache
def load_codes(kind: str) -> frozenset[str]:
    """Return the codes of a kind: COUNTRIES, CURRENCIES or UNITS."""
    return frozenset((Path(__file__).parent / f"{kind}.txt").read_text("ascii").split())
