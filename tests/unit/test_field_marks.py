"""What the declaration of a field says: whose personal data it holds, and how it is used."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest
from pynamodb.attributes import BooleanAttribute, DiscriminatorAttribute, NumberAttribute

from chalicelib.accounts.rules import Account
from chalicelib.bill_groups.rules import BillGroup, Subscription
from chalicelib.contacts.rules import Contact
from chalicelib.entities.rules import Entity
from chalicelib.field_marks import (
    DataSubject,
    FieldUse,
    NotAudited,
    NotPersonal,
    OfContact,
    Shared,
    fields_marked,
    is_any_changed,
    unclassified_fields,
)
from chalicelib.invoices.rules import Invoice
from chalicelib.payments.rules import Payment
from chalicelib.staff.rules import StaffMember
from chalicelib.table import items
from chalicelib.table.attributes import DateAttribute, InstantAttribute
from chalicelib.table.items import Item

RECORDS = (Account, BillGroup, Contact, Entity, Invoice, Payment, StaffMember, Subscription)
ITEMS = sorted(
    (one for one in vars(items).values() if isinstance(one, type) and issubclass(one, Item) and one is not Item),
    key=lambda one: one.__name__,
)
NAME_NOBODY = (BooleanAttribute, DateAttribute, DiscriminatorAttribute, InstantAttribute, NumberAttribute)


@dataclass(frozen=True)
class Colleague:
    name: Shared[OfContact[str]]
    department: OfContact[str | None] = None
    team: NotPersonal[tuple[str, ...]] = ()
    since: date | None = None
    version: NotAudited[int] = 1


def test_the_marks_of_a_field_are_read_from_its_declaration() -> None:
    assert fields_marked(Colleague, DataSubject.CONTACT) == {"name", "department"}
    assert fields_marked(Colleague, FieldUse.SHARED) == {"name"}
    assert fields_marked(Colleague, FieldUse.NOT_AUDITED) == {"version"}
    assert unclassified_fields(Colleague) == frozenset()


def test_a_field_that_may_name_somebody_and_does_not_say_whom_is_found() -> None:
    @dataclass(frozen=True)
    class Careless(Colleague):
        nickname: str | None = None
        notes: dict[str, Any] = field(default_factory=dict)
        days: tuple[date, ...] = ()
        count: int | None = None

    assert unclassified_fields(Careless) == {"nickname", "notes", "days"}


def test_a_change_is_found_by_its_mark() -> None:
    ann = Colleague("Ann")
    assert is_any_changed(ann, Colleague("Bee"), FieldUse.SHARED)
    assert not is_any_changed(ann, Colleague("Ann", department="Sales"), FieldUse.SHARED)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_every_field_of_a_record_says_whose_data_it_holds(record: type) -> None:
    assert unclassified_fields(record) == frozenset()


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.__name__)
def test_every_attribute_of_a_row_says_whose_data_it_holds(item: type[Item]) -> None:
    own = item.get_attributes()
    unclassified = [
        name
        for name in own.keys() - Item.get_attributes().keys()
        if not isinstance(own[name], NAME_NOBODY) and not hasattr(own[name], "data_subject")
    ]
    assert unclassified == []


def test_what_erasure_redacts_of_a_contact() -> None:
    """A golden list: a field that comes or goes is read here with care."""
    assert fields_marked(Contact, DataSubject.CONTACT) == {
        "first_name", "last_name", "display_name", "email", "cell", "company", "address", "job_title", "locale",
        "external_id", "upstream",
    }  # fmt: skip


def test_every_row_about_a_contact_is_known_to_erasure() -> None:
    """Each is erased, or stays for the reason that is given here (C4)."""
    erased = {
        "AuditEventItem", "ContactAddressItem", "ContactItem", "EmailContentItem", "EmailItem", "UserNameItem",
        # A reset of a password ends within the hour, and the user name is gone.
        "PasswordResetItem",
    }  # fmt: skip
    stays = {
        # Issued invoices stay.
        "InvoiceContentItem",
        # An address that must not get mail stays known as such (I6).
        "SuppressionItem",
    }
    about = {item.__name__ for item in ITEMS if item.attributes_about(DataSubject.CONTACT)}
    assert about == erased | stays
