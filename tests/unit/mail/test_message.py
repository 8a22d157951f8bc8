"""Rendering mails: goldens, languages, hostile names."""

import os
import re
import unicodedata
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from babel import numbers
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jinja2 import UndefinedError

from chalicelib import colours, languages, money
from chalicelib.mail import message
from chalicelib.reminders.run.mail_content import MAX_LISTED_INVOICES
from tests.unit.mail.samples import AT, CONTEXTS, ENTITY

GOLDENS = Path(__file__).parents[2] / "goldens" / "mails"
GOLDEN_LANGUAGES = ("en", "de", "ar", "ja")
SUFFIXES = ("txt", "html")
UPDATE = os.environ.get("UPDATE_GOLDENS") == "1"
VOID = {"meta", "br", "img", "link", "hr"}


class Page(HTMLParser):
    """Collects what a mail program would see, and insists that every element is closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.attributes: dict[str, dict[str, str | None]] = {}
        self.shown = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.setdefault(tag, dict(attrs))
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.shown += data


def read(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.close()
    assert page.open == []
    return page


@pytest.mark.parametrize("language", GOLDEN_LANGUAGES)
@pytest.mark.parametrize("kind", CONTEXTS)
def test_golden(kind: str, language: str) -> None:
    """``UPDATE_GOLDENS=1`` writes them again; review the difference before you commit it."""
    rendered = message.render_mail(kind, language, CONTEXTS[kind], ENTITY, AT)
    for suffix, found in (("txt", f"{rendered.subject}\n\n{rendered.text}"), ("html", rendered.html)):
        path = GOLDENS / f"{kind}.{language}.{suffix}"
        if UPDATE:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(found, encoding="utf-8")
        assert path.read_text(encoding="utf-8") == found


def test_every_mail_has_its_goldens() -> None:
    """A mail gets them by a sample, here in ``samples.py`` or in the tests of its capability."""
    kinds = {folder.name for folder in message.TEMPLATES.iterdir()} - {"shared"}
    files = {f"{kind}.{language}.{suffix}" for kind in kinds for language in GOLDEN_LANGUAGES for suffix in SUFFIXES}
    assert files - {path.name for path in GOLDENS.iterdir()} == set()


@pytest.mark.parametrize("language", languages.supported_languages())
@pytest.mark.parametrize("kind", CONTEXTS)
def test_every_mail_says_who_sent_it_and_why_in_text_and_html_alike(kind: str, language: str) -> None:
    rendered = message.render_mail(kind, language, CONTEXTS[kind], ENTITY, AT)
    page = read(rendered.html)
    assert page.attributes["html"] == {"lang": language, "dir": "rtl" if language == "ar" else "ltr"}
    context = CONTEXTS[kind]
    told = [context.get("link"), context.get("reply"), *(one["link"] for one in context.get("documents", ()))]
    own = {link for link in told if link}
    assert set(page.links) == {"mailto:help@nordlicht.example", "https://nordlicht.example", *own}
    plain = "".join(character for character in rendered.text if unicodedata.category(character) != "Cf")
    plain = plain.replace("\u00a0", " ")
    shown = " ".join(page.shown.split())
    for part in ("Nordlicht Cloud GmbH", "Hafenstraße 12", "20457 Hamburg", "DE136695976", "HRB 123456"):
        assert part in plain
        assert part in shown
    for line in plain.splitlines():
        # An address to follow is written out in the text, and stands behind a button in HTML.
        words = line
        for link in own:
            words = words.replace(link, "")
        words = words.strip("*-: ") if own else line.lstrip("*- ").strip()
        # A table has the label in its head, and the value in a row.
        assert words in shown or all(part in shown for part in words.split(": ", 1))
    assert "%(" not in rendered.subject + rendered.text + rendered.html
    # What concerns an account names it; what concerns a person names the sender; a reminder names what is to be paid.
    assert kind == "reminder" or any(name in rendered.subject for name in ("Müller & Söhne GmbH", ENTITY.name))


def test_the_date_is_that_of_the_sender() -> None:
    rendered = message.render_mail("contact_added", "en-GB", CONTEXTS["contact_added"], ENTITY, AT)
    assert "on 2 March 2026." in rendered.text
    elsewhere = replace(ENTITY, time_zone="Asia/Tokyo")
    rendered = message.render_mail("contact_added", "de-AT", CONTEXTS["contact_added"], elsewhere, AT)
    assert "Am 3. März 2026" in rendered.text


def test_a_language_that_is_not_known_reads_english_throughout() -> None:
    rendered = message.render_mail("contact_added", "fi", CONTEXTS["contact_added"], ENTITY, AT)
    assert rendered == message.render_mail("contact_added", "en", CONTEXTS["contact_added"], ENTITY, AT)


@pytest.mark.parametrize(("roles", "heading"), [(["invoicing"], "Your role\n"), (["invoicing", "x"], "Your roles\n")])
def test_one_role_is_one(roles: list[str], heading: str) -> None:
    rendered = message.render_mail("contact_added", "en", {**CONTEXTS["contact_added"], "roles": roles}, ENTITY, AT)
    assert heading in rendered.text


def test_no_role_is_said() -> None:
    rendered = message.render_mail("contact_added", "en", {**CONTEXTS["contact_added"], "roles": []}, ENTITY, AT)
    assert "You do not have a role at the moment" in rendered.text
    assert "You do not have a role at the moment" in rendered.html
    changed = {**CONTEXTS["role_changed"], "roles_now": [], "roles_before": []}
    rendered = message.render_mail("role_changed", "en", changed, ENTITY, AT)
    assert "You do not have a role at the moment" in rendered.text
    assert "No role" in rendered.text
    removed = {**CONTEXTS["contact_removed"], "roles_before": []}
    assert "Until now" not in message.render_mail("contact_removed", "en", removed, ENTITY, AT).text


def test_an_entity_with_little_data_still_makes_a_mail() -> None:
    bare = replace(
        ENTITY,
        legal_name=None,
        address=None,
        tax_numbers=(),
        registration_number=None,
        website=None,
        support_email=None,
    )
    rendered = message.render_mail("contact_added", "en", CONTEXTS["contact_added"], bare, AT)
    assert "billing@nordlicht.example" in rendered.text
    assert "None" not in rendered.text + rendered.html
    read(rendered.html)


@pytest.mark.parametrize("language", languages.supported_languages())
@pytest.mark.parametrize("kind", CONTEXTS)
@pytest.mark.parametrize("name", ["Padaria Três Irmãos Ltda.", "Ελαιώνας Θάλασσα Α.Ε.", "נורד בע.", "娘。"])
def test_a_name_that_ends_in_a_full_stop_ends_the_sentence_too(kind: str, language: str, name: str) -> None:
    context: dict[str, Any] = {**CONTEXTS[kind], "contact_name": name, "account_name": name}
    rendered = message.render_mail(kind, language, context, replace(ENTITY, name=name, legal_name=name), AT)
    assert name in rendered.text
    assert name in rendered.html
    for text in (rendered.subject, rendered.text, read(rendered.html).shown):
        seen = "".join(character for character in text if unicodedata.category(character) != "Cf")
        assert ".." not in seen
        assert "。。" not in seen


def test_the_dots_of_others_stay() -> None:
    context = {**CONTEXTS["contact_added"], "account_name": "Wait... Inc.", "contact_name": "J. Doe..."}
    rendered = message.render_mail("contact_added", "en", context, ENTITY, AT)
    assert "Hello J. Doe...," in rendered.text
    assert "was added as a billing contact for Wait... Inc.\n" in rendered.text
    assert "<bdi>Wait... Inc.</bdi><br>" in rendered.html
    # Another mark than the sentence's is no end of the sentence.
    context = {**context, "account_name": "娘。"}
    assert "a billing contact for 娘。.\n" in message.render_mail("contact_added", "en", context, ENTITY, AT).text


@pytest.mark.parametrize(("due_date", "stays_whole"), [("15 Feb 2026", True), ("23 de nov. de 2026", False)])
def test_a_long_date_breaks_rather_than_the_number_beside_it(due_date: str, stays_whole: bool) -> None:
    document = {**CONTEXTS["reminder"]["documents"][0], "due_date": due_date}
    context = {**CONTEXTS["reminder"], "documents": [document]}
    html = message.render_mail("reminder", "pt-BR", context, ENTITY, AT).html
    (style,) = re.findall(rf"<span([^>]*)>{due_date}</span>", html)
    assert ("nowrap" in style) is stays_whole


def test_a_template_that_asks_for_more_than_there_is_fails() -> None:
    with pytest.raises(UndefinedError):
        message.render_mail("contact_added", "en", {"account_name": "x", "contact_name": "y"}, ENTITY, AT)


HOSTILE = (
    "<script>alert(1)</script>",
    "</td></table><img src=x onerror=alert(1)>",
    "{{ entity.bank_details }}{% include '/etc/passwd' %}",
    "%(account)s %s %d %%",
    "Eve\r\nBcc: victim@example.com\r\n\r\nhello",
    "\u202egnp.exe\u202c \u2066 \u200f",
    "a" * 10_000,
    "\u0000\ud800\uffff\x85\u2028",
    "\"><a href='javascript:alert(1)'>",
    "מזל & טוב",
)


@pytest.mark.parametrize("kind", CONTEXTS)
@pytest.mark.parametrize("language", ["en", "ar"])
@settings(max_examples=20, deadline=None)
@given(
    name=st.one_of(st.text(min_size=1, max_size=300), st.sampled_from(HOSTILE)),
    account=st.text(min_size=1, max_size=300),
)
@example(name=HOSTILE[0], account=HOSTILE[1])
@example(name=HOSTILE[2], account=HOSTILE[3])
@example(name=HOSTILE[4], account=HOSTILE[5])
@example(name=HOSTILE[6], account=HOSTILE[6])
@example(name=HOSTILE[7], account=HOSTILE[8])
def test_whatever_a_name_holds_the_mail_is_valid(kind: str, language: str, name: str, account: str) -> None:
    usual = read(message.render_mail(kind, language, CONTEXTS[kind], ENTITY, AT).html)
    context: dict[str, Any] = {**CONTEXTS[kind], "contact_name": name, "account_name": account}
    entity = replace(ENTITY, name=name, legal_name=account)
    rendered = message.render_mail(kind, language, context, entity, AT)

    page = read(rendered.html)
    assert page.tags == usual.tags
    assert page.links == usual.links
    assert page.attributes == usual.attributes
    assert len(rendered.subject) <= 180
    for text in (rendered.subject, rendered.text, rendered.html):
        text.encode("utf-8")
        kinds = {unicodedata.category(character) for character in text.replace("\n", "")}
        assert not kinds & {"Cc", "Cs", "Zl", "Zp"}
        assert not set(text) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u200f")
    assert "\n" not in rendered.subject
    # A name cannot begin a line of its own, so it cannot pretend to be another part of the mail.
    assert len(rendered.text.splitlines()) == len(
        message.render_mail(kind, language, CONTEXTS[kind], ENTITY, AT).text.splitlines()
    )
    assert len(rendered.html) < 40_000


@given(colour=st.tuples(*[st.integers(0, 255)] * 3).map(lambda rgb: "#{:02x}{:02x}{:02x}".format(*rgb)))
def test_any_brand_colour_can_be_read(colour: str) -> None:
    def rgb(text: str) -> tuple[int, int, int]:
        return (int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16))

    found = colours.build_palette(colour)
    assert found.brand == colour
    assert colours.contrast_ratio(rgb(found.brand), rgb(found.on_brand)) >= 4.5
    for text in ("#1f2937", "#4b5563"):
        assert colours.contrast_ratio(rgb(found.tint), rgb(text)) >= 4.5


@pytest.mark.parametrize(("language", "label"), [("fr", "Date\u00a0: "), ("de", "Datum: "), ("en", "Date: ")])
def test_french_labels_have_a_space_before_the_colon(language: str, label: str) -> None:
    context = {**CONTEXTS["reminder"]}
    rendered = message.render_mail("reminder", language, context, ENTITY, AT)
    assert label in rendered.text
    assert ("IBAN\u00a0:" in rendered.html) == (language == "fr")


@pytest.mark.parametrize(
    ("language", "final"),
    [
        ("de", "unverzüglich zu begleichen"),
        ("es", "le requiere el pago inmediato"),
        ("fr", "régler sans délai la somme suivante restant due"),
        ("it", "La sollecita a saldare immediatamente"),
        ("ja", "直ちにお支払い"),
        ("nl", "per omgaande te betalen"),
        ("pt", "regularização imediata"),
        ("ar", "بسداد المبلغ المتأخر التالي"),
    ],
)
def test_the_final_tone_has_the_usual_words_of_its_language(language: str, final: str) -> None:
    context = {**CONTEXTS["reminder"], "tone": "final", "words": None}
    assert final in message.render_mail("reminder", language, context, ENTITY, AT).text


def test_arabic_says_one_and_two_in_words() -> None:
    sentences = languages.load_catalogue("ar")
    said = [
        sentences.ngettext("%(count)s invoice from %(sender)s", "%(count)s invoices from %(sender)s", n)
        for n in (1, 2, 3, 11)
    ]
    assert [text.partition(" من ")[0] for text in said] == [
        "فاتورة واحدة",
        "فاتورتان",
        "%(count)s فواتير",
        "%(count)s فاتورة",
    ]


@pytest.mark.parametrize("catalogue", ["mails", "pages"])
def test_italian_addresses_the_reader_as_lei(catalogue: str) -> None:
    lines = (languages.CATALOGUES / "it" / f"{catalogue}.po").read_text(encoding="utf-8").splitlines()
    said = "\n".join(line for line in lines if line.startswith("msgstr"))
    assert re.findall(r"\b(?:lei|suo|sua|suoi|tu|tuo|tua|ti|[Aa]pri|[Aa]ccedi|[Rr]ispondi)\b", said) == []


@pytest.mark.parametrize("language", languages.supported_languages())
def test_no_language_speaks_of_none_of_us(language: str) -> None:
    sentence = languages.load_catalogue(language).gettext("We will never ask you for this code.")
    for words in (
        "Niemand von",
        "Nadie de",
        "Personne de",
        "Nessuno di",
        "Niemand van",
        "Ninguém d",
        "أحد منا",
        "者が",
    ):
        assert words not in sentence


CLIPPED_BEYOND = 102 * 1024
"""Bytes of HTML, beyond which Gmail shows the rest of an email on another page."""


@pytest.mark.parametrize("character", ["x", "請", "&"])
@pytest.mark.parametrize("language", languages.supported_languages())
def test_no_program_clips_a_reminder_of_500_invoices_with_the_longest_names(language: str, character: str) -> None:
    reader = languages.formatting_locale(language)
    due = languages.format_date(date(2026, 9, 30), "medium", reader)
    name = character * 100
    document = {
        **CONTEXTS["reminder"]["documents"][0],
        "reference": character * 64,
        "date": due,
        "due_date": due,
        "due_date_long": languages.format_date(date(2026, 9, 30), "long", reader),
        "amount": money.format_money(123_456_789_012, "USD", reader),
        "disputed": money.format_money(123_456_789_012, "USD", reader),
        "days": 1234,
        "po_number": character * 200,
        "bill_group": name,
        "attached": False,
        "link": f"https://billing.nordlicht.example/portal/{'t' * 80}",
    }
    documents = [{**document, "number": f"{number:04}{character * 60}"} for number in range(500)]
    further = {"count": 500 - MAX_LISTED_INVOICES, "amount": money.format_money(1_234_567, "USD", reader)}
    context = {
        **CONTEXTS["reminder"],
        "account_name": character * 200,
        "contact_name": character * 200,
        "documents": documents,
        "listed": MAX_LISTED_INVOICES,
        "further": further,
        "others": [name] * 10,
    }
    rendered = message.render_mail("reminder", language, context, ENTITY, AT)
    assert len(rendered.html.encode()) < CLIPPED_BEYOND
    number = numbers.format_decimal(further["count"], locale=reader)
    for shown in (rendered.text, read(rendered.html).shown):
        assert f"{MAX_LISTED_INVOICES - 1:04}{character * 60}" in shown
        assert f"{MAX_LISTED_INVOICES:04}{character * 60}" not in shown
        assert number in shown
        assert message.sanitize_values(further["amount"]) in shown
