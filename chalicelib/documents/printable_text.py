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
_MAX_WORD_LENGTH = 28
_MAX_PART_LENGTH = 12
_BREAK_EVERY = 4
_SEPARATORS = frozenset("/.-_@?&=:,;")


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
    return "".join(_printable_clusters(unicodedata.normalize("NFC", text)))


def make_printable(value: Any) -> Any:
    """Return a JSON value with every text printable and breakable into lines."""
    if isinstance(value, str):
        return _add_break_opportunities(
            value
            if value.isascii() and value.isprintable()
            else "".join(_printable_clusters(value, _DIRECTION_CONTROLS))
        )
    if isinstance(value, Mapping):
        return {name: make_printable(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [make_printable(inner) for inner in value]
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


def _add_break_opportunities(text: str) -> str:
    """Add line-break opportunities to long words, so that they do not overflow their column."""
    if len(text) <= _MAX_WORD_LENGTH:
        return text
    return " ".join(_break_word(word) if len(word) > _MAX_WORD_LENGTH else word for word in text.split(" "))


def _break_word(word: str) -> str:
    """Break a word after its punctuation, as in an address, and anywhere in a long part without any."""
    parts: list[str] = []
    since = 0
    for character in word:
        # Chinese and similar text can break anywhere; a mark stays with its letter.
        if unicodedata.east_asian_width(character) in "WF" or character in "\u00a0\u202f":
            since = 0
        elif unicodedata.category(character)[0] != "M" and character not in _JOIN_CONTROLS:
            behind = bool(parts) and parts[-1] in _SEPARATORS and character not in _SEPARATORS
            if since and (behind or (since >= _MAX_PART_LENGTH and since % _BREAK_EVERY == 0)):
                parts.append(BREAK_OPPORTUNITY)
                since = 0 if behind else since
            since += 1
        parts.append(character)
    return "".join(parts)
