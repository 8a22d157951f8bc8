"""An issuing entity's own words for a reminder: plain text with placeholders in braces.

Nothing is evaluated: a placeholder is a name out of a fixed list, and what stands for it is put in as it is, to be
isolated and escaped where the mail is rendered.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

PLACEHOLDERS = {
    "sender": "the name of the issuing entity",
    "account": "the name of the account",
    "contact": "the name of the reader",
    "amount": "what is to be paid in all",
    "invoice": "the number of the invoice, of several that which was due first",
    "due_date": "the due date of that invoice",
    "days": "how many days lie between its due date and today",
    "count": "how many invoices the reminder tells of",
}
MAX_SUBJECT_LENGTH = 180
"""In characters; a subject that is longer once it is filled in is cut there."""
MAX_OPENING_LENGTH = 2000
MAX_LANGUAGES = 30
_MAX_SHOWN_LENGTH = 40

# In this order: a doubled brace stands for one, whatever follows.
_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_BRACES = {"{{": "{", "}}": "}"}
_NAMES = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)


@dataclass(frozen=True)
class TemplateText:
    """What a reminder says in one language, as it was written."""

    subject: str
    opening: str


@dataclass(frozen=True)
class Piece:
    """A part of a line: words as they were written, or a value that stands for a placeholder."""

    text: str
    is_value: bool = False


TextLine = tuple[Piece, ...]


@dataclass(frozen=True)
class FilledText:
    """What one reminder says: its subject, and the paragraphs it opens with, line by line."""

    subject: TextLine
    paragraphs: tuple[tuple[TextLine, ...], ...]


class BadPlaceholder(ValueError):
    """What stands in braces cannot be filled in; ``code`` says which way, the message the way out."""

    def __init__(self, code: str, message: str) -> None:
        """Keep the code and the message."""
        super().__init__(message)
        self.code = code


def check_placeholders(text: str) -> None:
    """Raise BadPlaceholder for a brace that stands alone, or that names nothing that a reminder knows."""
    for token in _TOKEN.finditer(text):
        if token[1] is not None and token[1] not in PLACEHOLDERS:
            shown = token[1][:_MAX_SHOWN_LENGTH]
            raise BadPlaceholder(
                "unknown_placeholder",
                f"There is no placeholder {{{shown}}}. In braces may stand: {_NAMES}. Write {{{{ or }}}} for a brace.",
            )
        if token[0] in ("{", "}"):
            raise BadPlaceholder(
                "unbalanced_brace",
                f"A brace stands alone. You can use in braces: {_NAMES}. Write {{{{ or }}}} for a brace.",
            )


def fill_placeholders(text: TemplateText, values: Mapping[str, str]) -> FilledText:
    """Return the words with ``values`` for the placeholders, of which each must have one."""
    paragraphs = (part.split("\n") for part in text.opening.split("\n\n"))
    return FilledText(
        subject=_line(text.subject, values),
        paragraphs=tuple(tuple(_line(line, values) for line in lines) for lines in paragraphs),
    )


def _line(text: str, values: Mapping[str, str]) -> TextLine:
    pieces, literal, end = [], "", 0
    for token in _TOKEN.finditer(text):
        literal += text[end : token.start()]
        end = token.end()
        if token[1] is None:
            literal += _BRACES[token[0]]
            continue
        if literal:
            pieces.append(Piece(literal))
        pieces.append(Piece(values[token[1]], is_value=True))
        literal = ""
    literal += text[end:]
    return (*pieces, Piece(literal)) if literal else tuple(pieces)


def text_for_locale(texts: Mapping[str, TemplateText], locale: str) -> TemplateText | None:
    """Return the text for a reader of ``locale`` (BCP 47); None when there is none in their language.

    That of the locale itself, else of the nearest one that it belongs to (``de`` for ``de-CH``), else another one of
    the same language in the same script (``de-AT``).
    """
    parts = locale.replace("_", "-").split("-")
    for length in range(len(parts), 0, -1):
        found = texts.get("-".join(parts[:length]))
        if found is not None:
            return found
    for tag in sorted(texts):
        if tag.split("-")[0] == parts[0] and _script(tag.split("-")) == _script(parts):
            return texts[tag]
    return None


def _script(parts: list[str]) -> str | None:
    return next((part for part in parts[1:] if len(part) == 4 and part.isalpha()), None)
