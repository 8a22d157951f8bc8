"""Make untrusted text printable: every character has a glyph, nothing is invisible, nothing overflows.

Readable text is kept. A character that no font has becomes U+FFFD, the replacement character.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from chalicelib.documents import fonts

REPLACEMENT_CHARACTER = "\ufffd"
BREAK_OPPORTUNITY = "\u200b"
"""A possible line break, which the templates print as nothing."""

_JOIN_CONTROLS = "\u200c\u200d"
# Direction marks of our own texts: money and numbers in right-to-left languages.
_DIRECTION_CONTROLS = "\u200e\u200f\u061c\u2066\u2069"
_LINE_END = re.compile("\r\n|[\n\r\u0085\u2028\u2029]")
_MAX_MARKS = 4
_MAX_WORD_WIDTH = 24
"""In digits, of which three are as wide as two W: about the narrowest column of descriptions."""
_MAX_VALUE_WIDTH = 16
"""The same for the values of facts."""
_VALUE_NAMES = frozenset({"value", "number"})
_MAX_PART_LENGTH = 12
_BREAK_EVERY = 4
_SEPARATORS = frozenset("/.-_@?&=:,;")
_WIDEST_LETTER = 1.5
_VIRAMA = 9
"""The canonical combining class of viramas."""


def to_single_line(text: str, longest: int | None = None) -> str:
    """Return the text on one line, of at most ``longest`` characters, with an ellipsis if it was cut."""
    if longest is not None:
        # Four times the length suffices for ordinary text, and bounds the work.
        text = text[: 4 * longest + 16]
    line = " ".join(part for part in remove_unprintable(text).split(" ") if part).strip()
    if not line and text:
        return "…"
    return line if longest is None or len(line) <= longest else line[: longest - 1].rstrip() + "…"


def split_lines(text: str) -> list[str]:
    """Return the lines of a multi-line text, without empty lines at start and end and without two in a row."""
    found: list[str] = []
    for part in _LINE_END.split(text):
        line = to_single_line(part) if part.strip() else ""
        if line or (found and found[-1]):
            found.append(line)
    return found[:-1] if found and not found[-1] else found


def remove_unprintable(text: str) -> str:
    """Return the text without control and invisible characters; characters without a glyph are replaced."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_printable_clusters(_normalise(text)))


def _normalise(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def make_printable(value: Any, widest: float = _MAX_WORD_WIDTH) -> Any:
    """Return a JSON value with every text printable and breakable into lines."""
    if isinstance(value, str):
        return _add_break_opportunities(
            value
            if value.isascii() and value.isprintable()
            else "".join(_printable_clusters(value, _DIRECTION_CONTROLS)),
            widest,
        )
    if isinstance(value, Mapping):
        return {
            name: make_printable(inner, _MAX_VALUE_WIDTH if name in _VALUE_NAMES else widest)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [make_printable(inner, widest) for inner in value]
    return value


def _printable_clusters(text: str, kept: str = "") -> Iterator[str]:
    """Yield the text letter by letter, each with its combining marks."""
    letter, marks = "", ""
    for character in text:
        category = unicodedata.category(character)
        if category[0] == "M":
            # A mark belongs to the letter before; marks without a letter, and beyond four, are dropped.
            if letter.strip() and len(marks) < _MAX_MARKS and fonts.has_glyphs(letter + marks + character):
                marks += character
            continue
        if category == "Cf":
            if character in kept:
                yield letter + marks
                letter, marks = character, ""
            elif character in _JOIN_CONTROLS and letter.isalpha():
                yield letter + marks + character
                letter, marks = "", ""
            continue
        yield letter + marks
        letter, marks = _printable_character(character, category), ""
    yield letter + marks


@lru_cache(maxsize=8192)
def _printable_character(character: str, category: str) -> str:
    if character in " \u00a0\u202f":
        return character
    if character.isspace() or category in {"Cc", "Zl", "Zp", "Zs"}:
        return " "
    if category in {"Cs", "Co"}:
        return REPLACEMENT_CHARACTER
    if fonts.has_glyphs(character):
        return character
    # Mathematical and other styled letters become plain ones.
    plain = unicodedata.normalize("NFKC", character)
    return plain if plain != character and all(map(fonts.has_glyphs, plain)) else REPLACEMENT_CHARACTER


def _add_break_opportunities(text: str, widest: float) -> str:
    """Add line-break opportunities to words that are wider than ``widest``, so that they stay in their column."""
    if len(text) * _WIDEST_LETTER <= widest:
        return text
    return " ".join(_break_word(word) if _width(word) > widest else word for word in text.split(" "))


def _width(word: str) -> float:
    """Return about how wide a word is, in digits."""
    return sum(
        _WIDEST_LETTER if letter in "MW@%—…" else 1.1 if letter.isupper() else 0.5 if letter in "iljft.,:;'|" else 0.92
        for letter in word
    )


def _break_word(word: str) -> str:
    """Break a word after its punctuation, as in an address, and anywhere in a long part without any."""
    parts: list[str] = []
    since = 0
    for character in word:
        # Chinese and similar text can break anywhere; a mark stays with its letter.
        if unicodedata.east_asian_width(character) in "WF" or character in "\u00a0\u202f" or _finds_words(character):
            since = 0
        elif unicodedata.category(character)[0] != "M" and character not in _JOIN_CONTROLS:
            behind = bool(parts) and parts[-1] in _SEPARATORS and character not in _SEPARATORS
            # A consonant after a virama or a joiner is part of the letter before.
            joined = bool(parts) and (unicodedata.combining(parts[-1][-1]) == _VIRAMA or parts[-1] in _JOIN_CONTROLS)
            if since and not joined and (behind or (since >= _MAX_PART_LENGTH and since % _BREAK_EVERY == 0)):
                parts.append(BREAK_OPPORTUNITY)
                since = 0 if behind else since
            since += 1
        parts.append(character)
    return "".join(parts)


def _finds_words(character: str) -> bool:
    """Tell whether a character is Thai, Lao, Burmese or Khmer: typst finds the words of text without spaces itself."""
    code = ord(character)
    return 0x0E00 <= code <= 0x0EFF or 0x1000 <= code <= 0x109F or 0x1780 <= code <= 0x17FF
