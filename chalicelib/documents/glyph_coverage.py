"""Which characters documents can print, told where there are no fonts: at issue.

``glyphs.txt`` lists the characters of the fonts. A test holds that it agrees with them, and says how to write it again.
"""

import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

GLYPHS = Path(__file__).with_name("glyphs.txt")
MAX_MISSING = 50
_INVISIBLE = frozenset({"Cf", "Cc", "Zl", "Zp", "Zs"})
_VARIATION_SELECTORS = frozenset(map(chr, range(0xFE00, 0xFE10)))


def find_missing_glyphs(value: Any) -> tuple[str, ...]:
    """Return the characters in the texts of a JSON value that no font has, in order of their code; 50 at most."""
    used = {
        character
        for text in iterate_texts(value)
        if not text.isascii()
        for character in unicodedata.normalize("NFC", text)
    }
    return tuple(sorted(character for character in used if _is_missing(character)))[:MAX_MISSING]


def iterate_texts(value: Any) -> Iterator[str]:
    """Yield the texts of a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from iterate_texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from iterate_texts(inner)


def _is_missing(character: str) -> bool:
    category = unicodedata.category(character)
    if category in _INVISIBLE or character in _VARIATION_SELECTORS or character.isspace():
        return False
    if category in {"Cs", "Co"}:
        return True
    # Styled letters are printed as plain ones.
    return not _is_covered(character) and (
        category[0] == "M" or not all(map(_is_covered, _plain(character))) or _plain(character) == character
    )


def _plain(character: str) -> str:
    return unicodedata.normalize("NFKC", character)


def _is_covered(character: str) -> bool:
    starts, ends = _ranges()
    place = bisect_right(starts, ord(character)) - 1
    return place >= 0 and ord(character) <= ends[place]


@cache
def _ranges() -> tuple[list[int], list[int]]:
    pairs = [part.partition("-") for part in GLYPHS.read_text(encoding="ascii").split()]
    return [int(first, 16) for first, _, _ in pairs], [int(last or first, 16) for first, _, last in pairs]
