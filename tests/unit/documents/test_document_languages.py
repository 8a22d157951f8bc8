"""Every text of documents is translated into every language, with the same placeholders, and nothing is left over."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages import pofile
from babel.messages.catalog import Catalog

from chalicelib import languages
from chalicelib.languages import CATALOGUES

ROOT = Path(__file__).parents[3] / "chalicelib"
SOURCES = ("documents/letter.py", "invoices/pdf/layout.py", "invoices/pdf/lines.py", "statements/layout.py")
PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]")
TRANSLATIONS = [language for language in languages.supported_languages() if language != languages.SOURCE_LANGUAGE]


def said(tree: ast.AST) -> Iterator[str]:
    """Yield the texts that are said there by name; those behind a variable are found among the constants."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("say", "count"):
            for argument in node.args:
                for constant in ast.walk(argument):
                    if isinstance(constant, ast.Constant) and isinstance(constant.value, str):
                        yield constant.value


TREES = [ast.parse((ROOT / source).read_text()) for source in SOURCES]
SAID = {text for tree in TREES for text in said(tree)} - {"invoice", "credit_note"}
CONSTANTS = {
    node.value for tree in TREES for node in ast.walk(tree)
    if isinstance(node, ast.Constant) and isinstance(node.value, str)
}  # fmt: skip
# What is said by way of a list of labels.
LABELS = {
    "Account holder", "Bank", "IBAN", "BIC", "Account number", "Routing number", "Reference", "PO number",
    "Customer number", "Your VAT number", "Your registration number", "Invoice date", "Credit note date",
    "Not overdue", "1–30 days", "31–60 days", "61–90 days", "Over 90 days", "Balance to pay", "Credit balance",
}  # fmt: skip


def catalogue(language: str) -> Catalog:
    with (CATALOGUES / language / "documents.po").open("rb") as file:
        return pofile.read_po(file, locale=language)


def test_the_languages_are_those_of_the_mails() -> None:
    assert sorted(path.name for path in CATALOGUES.iterdir()) == TRANSLATIONS
    assert LABELS <= CONSTANTS


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_every_text_is_translated_with_its_placeholders(language: str) -> None:
    known = catalogue(language)
    entries = {text: message for message in known if message.id for text in _texts(message.id)}
    for text in SAID | LABELS:
        message = entries[text]
        strings = _texts(message.string)
        assert "fuzzy" not in message.flags
        assert len(strings) == (1 if isinstance(message.id, str) else known.num_plurals)
        for number, string in enumerate(strings):  # Arabic says none, one and two in words.
            assert string.strip()
            found, needed = set(PLACEHOLDER.findall(string)), set(PLACEHOLDER.findall(text))
            in_words = {"count", "number"} if language == "ar" and len(strings) > 1 and number < 3 else set()
            assert found - in_words == needed - in_words
            assert "%" not in PLACEHOLDER.sub("", string)


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_no_translation_is_left_over(language: str) -> None:
    assert [text for message in catalogue(language) for text in _texts(message.id) if text not in CONSTANTS] == []


def _texts(found: str | tuple[str, ...] | list[str]) -> list[str]:
    return [found] if isinstance(found, str) else list(found)
