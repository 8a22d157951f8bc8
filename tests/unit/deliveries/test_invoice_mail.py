"""The email with invoices: several in one, credit notes, copies, and hostile names."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chalicelib import languages
from chalicelib.mail import message
from tests.unit.mail.samples import AT, CONTEXTS, ENTITY
from tests.unit.mail.test_message import HOSTILE, read

GOLDENS = Path(__file__).parents[2] / "goldens" / "mails"
INVOICE: dict[str, Any] = CONTEXTS["invoice"]["documents"][0]
CREDIT_NOTE = {**INVOICE, "kind": "credit_note", "number": "CN-7", "amount_due": None, "due_date": None}
BUNDLE = {
    **CONTEXTS["invoice"],
    "contact_name": "",
    "others": [],
    "cause": "copy",
    "unsubscribe": "https://billing.nordlicht.example/portal/unsubscribe/a~b~invoices~c",
    "documents": [
        {**INVOICE, "others": ["Béatrice Lenoir"]},
        {**INVOICE, "number": "2026-002", "attached": False, "po_number": None, "due_date": None},
        {**INVOICE, "number": "2026-003", "amount_due": None, "due_date": None, "settled": True, "link": None},
        CREDIT_NOTE,
    ],
}


def render(language: str = "en", **changes: Any) -> message.RenderedMail:
    return message.render_mail("invoice", language, {**CONTEXTS["invoice"], **changes}, ENTITY, AT)


@pytest.mark.parametrize("language", ["en", "de", "ar"])
def test_golden_of_several(language: str) -> None:
    rendered = message.render_mail("invoice", language, BUNDLE, ENTITY, AT)
    for suffix, found in (("txt", f"{rendered.subject}\n\n{rendered.text}"), ("html", rendered.html)):
        path = GOLDENS / f"invoices.{language}.{suffix}"
        if os.environ.get("UPDATE_GOLDENS") == "1":
            path.write_text(found, encoding="utf-8")
        assert path.read_text(encoding="utf-8") == found


@pytest.mark.parametrize("language", languages.supported_languages())
def test_the_subject_says_what_comes_from_whom(language: str) -> None:
    subjects = [
        render(language).subject,
        render(language, documents=[CREDIT_NOTE]).subject,
        *(render(language, documents=[INVOICE] * count).subject for count in (2, 3, 11, 100)),
        render(language, documents=[INVOICE, CREDIT_NOTE]).subject,
    ]
    assert len(set(subjects)) == len(subjects)
    for subject, shown in zip(subjects, ("2026-001", "CN-7", "2", "3", "11", "100", "2"), strict=True):
        # Arabic has a dual: two things need no figure.
        assert (shown in subject) or (language == "ar" and shown == "2" and subject.split()[0].endswith("ان"))
        assert "Nordlicht Cloud" in subject


def test_a_credit_note_asks_for_no_payment() -> None:
    text = render(documents=[CREDIT_NOTE]).text
    assert "Credit note CN-7" in text
    assert "How to pay" not in text
    assert "Amount due" not in text


@pytest.mark.parametrize(
    ("cause", "why"),
    [
        ("role", "because you are a billing contact for Müller & Söhne GmbH"),
        ("copy", "because you chose to get copies of invoices for Müller & Söhne GmbH"),
        ("asked", "because someone asked Nordlicht Cloud to send it to you"),
    ],
)
def test_every_reader_is_reported_why(cause: str, why: str) -> None:
    assert why in render(cause=cause).text


@settings(max_examples=25, deadline=None)
@given(text=st.one_of(st.text(min_size=1, max_size=300), st.sampled_from(HOSTILE)))
@example(text=HOSTILE[0])
@example(text=HOSTILE[1])
@example(text=HOSTILE[2])
@example(text=HOSTILE[3])
@example(text=HOSTILE[4])
@example(text=HOSTILE[5])
@example(text=HOSTILE[6])
def test_whatever_a_number_holds_the_mail_is_valid(text: str) -> None:
    usual = read(render().html)
    rendered = render(documents=[{**INVOICE, "number": text, "po_number": text, "bill_group": text}])
    page = read(rendered.html)
    assert (page.tags, page.links, page.attributes) == (usual.tags, usual.links, usual.attributes)
    assert "\n" not in rendered.subject
    assert len(rendered.subject) <= 180
    assert len(rendered.text.splitlines()) == len(render().text.splitlines())
