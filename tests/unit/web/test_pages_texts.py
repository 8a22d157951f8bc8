"""Every text of every page is translated into every language, with the same placeholders; cookies and languages."""

import re
from collections.abc import Iterator

import pytest
from babel.messages import pofile
from jinja2 import Environment

from chalicelib import languages
from chalicelib.web import cookies, texts
from chalicelib.web.pages import Cookie
from chalicelib.web.rendering import TEMPLATE_FOLDERS

PLACEHOLDER = re.compile(r"%\((\w+)\)s")
TRANSLATIONS = [language for language in languages.supported_languages() if language != languages.SOURCE_LANGUAGE]

Text = str | tuple[str, str]


def found() -> Iterator[Text]:
    environment = Environment(extensions=["jinja2.ext.i18n"], trim_blocks=True, lstrip_blocks=True)
    environment.newstyle_gettext = True  # type: ignore[attr-defined]
    environment.policies["ext.i18n.trimmed"] = True
    for path in sorted(path for folder in TEMPLATE_FOLDERS.values() for path in folder.rglob("*.html")):
        for _, function, text in environment.extract_translations(path.read_text()):  # type: ignore[attr-defined]
            if function == "ngettext":
                yield (text[0], text[1])
            else:
                yield text if isinstance(text, str) else text[0]


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_every_text_is_translated_and_no_translation_is_left_over(language: str) -> None:
    with (languages.CATALOGUES / language / "pages.po").open("rb") as file:
        catalogue = pofile.read_po(file, locale=language)
    entries = {one.id if isinstance(one.id, str) else tuple(one.id): one for one in catalogue if one.id}
    assert set(entries) == set(found())
    for source, entry in entries.items():
        strings = [entry.string] if isinstance(entry.string, str) else list(entry.string)
        first = source if isinstance(source, str) else source[0]
        for number, string in enumerate(strings):  # Arabic says none, one and two in words.
            assert string.strip()
            there, needed = set(PLACEHOLDER.findall(string)), set(PLACEHOLDER.findall(first))
            in_words = {"count", "number"} if language == "ar" and len(strings) > 1 and number < 3 else set()
            assert there - in_words == needed - in_words
        if not isinstance(source, str):
            assert len(strings) == catalogue.num_plurals


@pytest.mark.parametrize(
    ("header", "otherwise", "locale"),
    [
        (None, "de", "de"),
        ("fi, fr;q=0.3, nl;q=0.8", "de", "nl"),
        ("pt-BR", "de", "pt-BR"),
        ("*", "ja", "ja"),
        ("fi;q=x, ,;;,es;q=0", "it", "it"),
        ("en-GB,en;q=0.9", "ar", "en-GB"),
    ],
)
def test_the_language_is_the_readers_else_the_entitys(header: str | None, otherwise: str, locale: str) -> None:
    assert texts.choose_page_locale(texts.parse_accept_language(header), otherwise) == locale


def test_cookies_are_read_strictly_and_written_safely() -> None:
    header = "__Host-a=1; b=2; __Host-c=x y; __Host-d=1; __Host-d=2; __Host-e=q.r-s_t"
    assert cookies.parse_cookies(header) == {"__Host-a": "1", "__Host-e": "q.r-s_t"}
    assert cookies.parse_cookies(None) == {}
    with pytest.raises(ValueError, match="cookie"):
        cookies.format_set_cookie(Cookie("__Host-a", "x\r\nSet-Cookie: b=c", 5))
