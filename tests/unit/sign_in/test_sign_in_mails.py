"""Sign-in emails: golden files, languages, and equal content of text and HTML."""

import unicodedata
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib import languages
from chalicelib.mail import message
from chalicelib.sign_in import emails
from tests.unit.mail.samples import AT, ENTITY
from tests.unit.mail.test_message import GOLDENS, UPDATE, read

LINK = "https://billing.example.com/api/portal/sign-in/cl_" + "Ab-_" * 10 + "xyz"
UNTIL = datetime(2026, 3, 2, 22, 40, tzinfo=UTC)


def context(kind: str, language: str) -> dict[str, Any]:
    if kind == emails.NOT_YET:
        return emails.not_yet_context(UNTIL, language, "Europe/Berlin")
    return emails.sign_in_context(LINK, "K7QM3XWP", UNTIL, language, "Europe/Berlin")


@pytest.mark.parametrize("language", ["en", "de", "ar", "ja"])
@pytest.mark.parametrize("kind", [emails.SIGN_IN, emails.NOT_YET])
def test_golden(kind: str, language: str) -> None:
    """``UPDATE_GOLDENS=1`` writes them again; review the difference before you commit it."""
    rendered = message.render_mail(kind, language, context(kind, language), ENTITY, AT)
    for suffix, found in (("txt", f"{rendered.subject}\n\n{rendered.text}"), ("html", rendered.html)):
        path = GOLDENS / f"{kind}.{language}.{suffix}"
        if UPDATE:
            path.write_text(found, encoding="utf-8")
        assert path.read_text(encoding="utf-8") == found


@pytest.mark.parametrize("language", languages.supported_languages())
def test_link_and_code_stand_alone_on_their_lines_and_in_both_forms(language: str) -> None:
    rendered = message.render_mail(emails.SIGN_IN, language, context(emails.SIGN_IN, language), ENTITY, AT)
    lines = rendered.text.splitlines()
    assert LINK in lines
    assert "K7QM-3XWP" in lines
    page = read(rendered.html)
    assert set(page.links) == {LINK, "mailto:help@nordlicht.example", "https://nordlicht.example"}
    assert "K7QM-3XWP" in page.shown
    assert page.attributes["html"] == {"lang": language, "dir": "rtl" if language == "ar" else "ltr"}
    shown = " ".join(page.shown.split())
    for line in lines:
        words = "".join(character for character in line if unicodedata.category(character) != "Cf")
        words = " ".join(words.split()).strip(" -")
        assert words in shown or words == LINK
    assert "10" in rendered.text
    assert LINK not in rendered.subject
    assert "K7QM" not in rendered.subject


def test_the_times_are_in_the_readers_words() -> None:
    assert emails.sign_in_context(LINK, "K7QM3XWP", UNTIL, "en-GB", "Europe/Berlin")["until"] == "23:40 (Berlin)"
    assert (
        emails.sign_in_context(LINK, "K7QM3XWP", UNTIL, "en-US", "America/New_York")["until"]
        == "5:40\u202fPM (New York)"
    )
    assert emails.not_yet_context(UNTIL, "de", "Europe/Berlin")["begins"] == "2. März 2026, 23:40 (Berlin)"
