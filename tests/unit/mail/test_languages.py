"""Every text of every mail is translated into every language, with the same placeholders."""

import re
from collections.abc import Iterator

import pytest
from babel.messages import pofile
from babel.messages.catalog import Catalog
from jinja2 import Environment

from chalicelib import languages
from chalicelib.mail.message import TEMPLATES

PLACEHOLDER = re.compile(r"%\((\w+)\)s")
TRANSLATIONS = [language for language in languages.supported_languages() if language != languages.SOURCE_LANGUAGE]


def texts() -> Iterator[str | tuple[str, str]]:
    environment = Environment(extensions=["jinja2.ext.i18n"], trim_blocks=True, lstrip_blocks=True)
    environment.newstyle_gettext = True  # type: ignore[attr-defined]
    environment.policies["ext.i18n.trimmed"] = True
    for path in sorted(TEMPLATES.rglob("*.*")):
        for _, function, text in environment.extract_translations(path.read_text()):  # type: ignore[attr-defined]
            if function == "ngettext":
                yield (text[0], text[1])
            else:
                yield text if isinstance(text, str) else text[0]


def catalogue(language: str) -> Catalog:
    with (languages.CATALOGUES / language / "mails.po").open("rb") as file:
        return pofile.read_po(file, locale=language)


def test_the_languages() -> None:
    assert languages.supported_languages() == ("en", "ar", "de", "es", "fr", "it", "ja", "nl", "pt")
    assert len(set(texts())) > 25


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_every_text_is_translated_with_its_placeholders(language: str) -> None:
    entries = {
        message.id if isinstance(message.id, str) else tuple(message.id): message for message in catalogue(language)
    }
    for text in texts():
        message = entries[text]
        strings = [message.string] if isinstance(message.string, str) else list(message.string)
        sources = [text] if isinstance(text, str) else list(text)
        assert "fuzzy" not in message.flags
        for number, string in enumerate(strings):  # Arabic says none, one and two in words.
            assert string.strip()
            found, needed = set(PLACEHOLDER.findall(string)), set(PLACEHOLDER.findall(sources[0]))
            in_words = {"count", "number"} if language == "ar" and len(strings) > 1 and number < 3 else set()
            assert found - in_words == needed - in_words
            assert "%" not in PLACEHOLDER.sub("", string)
        if not isinstance(text, str):
            assert len(strings) == catalogue(language).num_plurals


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_no_translation_is_left_over(language: str) -> None:
    known = set(texts())
    for message in catalogue(language):
        if message.id:
            assert (message.id if isinstance(message.id, str) else tuple(message.id)) in known


@pytest.mark.parametrize(
    ("locale", "language", "formats"),
    [
        ("de-AT", "de", "de_AT"),
        ("de_CH", "de", "de_CH"),
        ("pt-PT", "pt", "pt_PT"),
        ("ja", "ja", "ja"),
        ("zh-Hant-TW", "en", "en"),
        ("en-GB", "en", "en_GB"),
        ("nonsense", "en", "en"),
        ("", "en", "en"),
    ],
)
def test_the_best_language_for_a_reader(locale: str, language: str, formats: str) -> None:
    assert languages.best_language(locale) == language
    assert str(languages.formatting_locale(locale)) == formats
