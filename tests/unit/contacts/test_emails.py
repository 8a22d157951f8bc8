"""The mails about contacts."""

import inspect
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from chalicelib.accounts.rules import Account
from chalicelib.contacts import emails
from chalicelib.contacts.rules import Contact
from chalicelib.entities.inputs import ContactMailsBody
from chalicelib.entities.rules import CONTACT_MAIL_KINDS, Entity
from chalicelib.mail import message
from chalicelib.mail.outbox import Mail
from infra.local.sample import load

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
ENTITY = Entity("nordlicht", "Nordlicht", "#0b5fff", "billing@nordlicht.example", "en", "Europe/Berlin")
ACCOUNT = Account("acme", "nordlicht", "Acme", "EUR")
CONTACT = Contact(
    "con_1", "acme", "person", "active", "ana@acme.example", NOW, NOW, first_name="Ana", last_name="García"
)


def all_mails(entity: Entity, account: Account = ACCOUNT, contact: Contact = CONTACT) -> list[Mail | None]:
    return [
        emails.contact_added(entity, account, contact, {"accounts_payable", "invoicing"}),
        emails.role_changed(entity, account, contact, [], ["invoicing"]),
        emails.contact_removed(entity, account, contact, ["invoicing"]),
    ]


def test_each_goes_to_the_contact_and_can_be_rendered() -> None:
    for mail in all_mails(ENTITY):
        assert mail is not None
        assert (mail.to, mail.cc, mail.account_id, mail.contact_id) == (("ana@acme.example",), (), "acme", "con_1")
        assert not mail.urgent
        rendered = message.render_mail(mail.kind, mail.locale, mail.context, ENTITY, NOW)
        assert "Ana García" in rendered.text


def test_roles_stand_in_their_usual_order() -> None:
    mail = emails.contact_added(ENTITY, ACCOUNT, CONTACT, {"accounts_payable", "invoicing"})
    assert mail is not None
    assert mail.context["roles"] == ["invoicing", "accounts_payable"]


def test_every_mail_that_may_be_switched_off_is_tested_here_and_has_its_switch() -> None:
    functions = inspect.getmembers(emails, inspect.isfunction)
    optional = {
        name
        for name, function in functions
        if not name.startswith("_") and inspect.signature(function).return_annotation == Mail | None
    }
    assert {mail.kind for mail in all_mails(ENTITY) if mail} == optional
    assert set(CONTACT_MAIL_KINDS) == optional
    assert set(ContactMailsBody.model_fields) == optional
    # Loading the sample data mails nobody.
    assert set(load._CONTACT_MAILS) == optional


@pytest.mark.parametrize("kind", CONTACT_MAIL_KINDS)
def test_the_entity_may_switch_each_off(kind: str) -> None:
    mails = all_mails(replace(ENTITY, contact_mails={kind: False}))
    assert [mail.kind for mail in mails if mail] == [other for other in CONTACT_MAIL_KINDS if other != kind]


@pytest.mark.parametrize(
    ("contact", "account", "expected"),
    [("ja", "de", "ja"), (None, "de", "de"), (None, None, "en")],
)
def test_the_reader_s_locale_comes_first(contact: str | None, account: str | None, expected: str) -> None:
    for mail in all_mails(ENTITY, replace(ACCOUNT, locale=account), replace(CONTACT, locale=contact)):
        assert mail is not None
        assert mail.locale == expected


def test_a_role_that_reaches_nobody_is_notified_to_contacts_and_to_staff() -> None:
    to_contact = emails.role_unreachable(ENTITY, ACCOUNT, CONTACT, {"accounts_payable", "invoicing"})
    assert (to_contact.to, to_contact.account_id, to_contact.contact_id) == (("ana@acme.example",), "acme", "con_1")
    assert to_contact.context["roles"] == ["invoicing", "accounts_payable"]
    failing = ["bob@acme.example"]
    to_staff = emails.role_unreachable_to_staff(ENTITY, ACCOUNT, ("kim@v.example",), ["invoicing"], failing)
    # In no history, because it names addresses.
    assert (to_staff.to, to_staff.account_id) == (("kim@v.example",), None)
    texts = [message.render_mail(mail.kind, "en", mail.context, ENTITY, NOW) for mail in (to_contact, to_staff)]
    assert ["bob@acme.example" in text.text and "bob@acme.example" in text.html for text in texts] == [False, True]
    assert ["Hello Ana García," in text.text for text in texts] == [True, False]
    assert "you manage customers for Nordlicht" in texts[1].text
    assert "Account: acme" in texts[1].text
