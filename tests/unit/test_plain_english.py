"""Texts for people and the API's own description say it in plain words."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from babel.messages import pofile

from chalicelib import languages
from chalicelib.api.openapi import build_openapi_document

REFUSED = re.compile(
    r"\b(?:mails?|mailed|anew|whoever|thereby|upon|likewise|somebody|everybody|at present|comes? of|none of us|"
    r"nobody of us|is not told|gives? and takes?|looks? after)\b",
    re.IGNORECASE,
)
NAMES = re.compile(r"`[^`]*`|\bmail mode\b|^mailed(?=;)", re.IGNORECASE)


def _refused(text: str) -> list[str]:
    return REFUSED.findall(NAMES.sub("", text))


def _described(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("summary", "description") and isinstance(inner, str):
                yield inner
            else:
                yield from _described(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _described(inner)


@pytest.mark.parametrize("name", ["mails", "pages", "documents"])
def test_texts_of_emails_pages_and_documents(name: str) -> None:
    with (languages.CATALOGUES / "de" / f"{name}.po").open("rb") as file:
        texts = [text for one in pofile.read_po(file) for text in ([one.id] if isinstance(one.id, str) else one.id)]
    assert {text: _refused(text) for text in texts if _refused(text)} == {}


def test_the_description_of_the_api() -> None:
    from app import app

    document = build_openapi_document(app.json_api.all_routes(), "https://billing.example.com")
    assert {text: _refused(text) for text in _described(document) if _refused(text)} == {}


@pytest.mark.parametrize("text", ["Ask for a new mail", "It is planned anew.", "Whoever sends this", "None of us asks"])
def test_such_words_are_found(text: str) -> None:
    assert _refused(text)


@pytest.mark.parametrize("text", ["Send an email", "A mailbox", "`mail`: true", "The mail mode of the deployment"])
def test_names_are_not(text: str) -> None:
    assert not _refused(text)
