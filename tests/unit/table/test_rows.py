"""From a thing to its row and back; keys."""

import json
import math
from base64 import b64decode
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pynamodb.attributes import BooleanAttribute, NumberAttribute

from chalicelib.accounts.rules import Account
from chalicelib.bill_groups.rules import BillGroup, Subscription
from chalicelib.contacts.rules import Contact
from chalicelib.entities.rules import Entity
from chalicelib.field_marks import DataSubject, fields_marked
from chalicelib.invoices.ledger import to_invoice_item
from chalicelib.invoices.rules import Invoice
from chalicelib.payments.rules import Payment
from chalicelib.staff.rules import StaffMember
from chalicelib.table import items, keys, store
from chalicelib.table.attributes import DateAttribute, InstantAttribute, JsonAttribute, TextAttribute
from chalicelib.table.items import (
    AccountItem,
    BillGroupItem,
    ContactItem,
    EntityItem,
    InvoiceItem,
    Item,
    PaymentItem,
    StaffItem,
    SubscriptionItem,
)
from chalicelib.table.keys import Key
from chalicelib.tasks.kinds import TASK_KINDS

MILLISECONDS = st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
st.register_type_strategy(datetime, MILLISECONDS)
JSON = st.dictionaries(st.text(max_size=3), st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=3))


def things(cls: type) -> st.SearchStrategy[Any]:
    names = {part.name for part in fields(cls)}
    return st.builds(cls, **({"upstream": JSON} if "upstream" in names else {}))


PAIRS = [
    (Account, AccountItem),
    (BillGroup, BillGroupItem),
    (Contact, ContactItem),
    (Entity, EntityItem),
    (StaffMember, StaffItem),
    (Subscription, SubscriptionItem),
]
ALL_PAIRS = [*PAIRS, (Invoice, InvoiceItem), (Payment, PaymentItem)]
ATTRIBUTES = {
    bool: BooleanAttribute,
    date: DateAttribute,
    datetime: InstantAttribute,
    int: NumberAttribute,
    str: TextAttribute,
}
"""By the type of a field; every other type is stored as JSON."""


def golden_rows() -> list[dict[str, Any]]:
    with (Path(__file__).parents[2] / "goldens/rows.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line, object_hook=decoded) for line in lines]


def decoded(value: dict[str, Any]) -> Any:
    return b64decode(value["base64"]) if value.keys() == {"base64"} else value


GOLDEN_ROWS = golden_rows()


@pytest.mark.parametrize(("cls", "item_cls"), PAIRS)
@settings(deadline=None)
@given(data=st.data())
def test_a_row_gives_back_what_was_put_in(cls: Any, item_cls: Any, data: st.DataObject) -> None:
    thing = data.draw(things(cls))
    row = store.to_item(item_cls, Key("P", "S"), thing, listed=Key("L", "M"))
    read = Item.from_raw_data(row.serialize())
    assert type(read) is item_cls
    assert store.from_item(cls, read) == thing
    assert (read.key, read.gsi1_pk, read.gsi1_sk, read.schema_version) == (Key("P", "S"), "L", "M", 1)


@pytest.mark.parametrize(("cls", "item_cls"), ALL_PAIRS)
def test_the_attributes_of_a_row_follow_from_the_fields_of_its_record(cls: Any, item_cls: Any) -> None:
    """Of the same names, types, defaults and data subjects: a record and its row cannot come apart unnoticed."""
    own = item_cls.get_attributes()
    assert own.keys() - Item.get_attributes().keys() == {part.name for part in fields(cls)} - {"version"}
    hints = get_type_hints(cls)
    for part in fields(cls):
        attribute = own[part.name]
        types = {one for one in get_args(hints[part.name]) or (hints[part.name],) if one is not NoneType}
        plain = next(iter(types)) if len(types) == 1 and get_origin(hints[part.name]) in (None, UnionType) else None
        assert isinstance(attribute, ATTRIBUTES.get(plain, JsonAttribute)), part.name
        if part.default is None:
            assert attribute.null, part.name
    for subject in DataSubject:
        assert item_cls.attributes_about(subject) == fields_marked(cls, subject) & own.keys()


@pytest.mark.parametrize("row", GOLDEN_ROWS, ids=lambda row: f"{row['PK']['S']} {row['SK']['S']}")
def test_a_row_of_an_earlier_release_is_read_and_written_as_it_was(row: dict[str, Any]) -> None:
    """The rows of ``tests/goldens/rows.jsonl`` were written on 30 November 2026 by release 14bf6b1."""
    item = Item.from_raw_data(row)
    assert with_sorted_sets(item.serialize()) == with_sorted_sets(row)
    if isinstance(item, InvoiceItem):
        assert without_nulls(to_invoice_item(store.from_item(Invoice, item)).serialize()) == without_nulls(row)
    for cls, item_cls in PAIRS:
        if type(item) is item_cls:
            written = store.to_item(item_cls, item.key, store.from_item(cls, item))
            listed = {name: row[name] for name in ("GSI1PK", "GSI1SK") if name in row}
            assert without_nulls({**written.serialize(), **listed}) == without_nulls(row)


def without_nulls(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row without the nulls in its JSON: a field that came later is null in a row from before."""

    def plain(text: str) -> Any:
        try:
            return json.loads(text, object_hook=lambda one: {k: v for k, v in one.items() if v is not None})
        except ValueError:
            return text

    return {name: {"S": plain(value["S"])} if "S" in value else value for name, value in row.items()}


def with_sorted_sets(row: dict[str, Any]) -> dict[str, Any]:
    return {name: {"SS": sorted(value["SS"])} if "SS" in value else value for name, value in row.items()}


def test_every_item_has_a_name_of_its_own() -> None:
    found = [one for one in vars(items).values() if isinstance(one, type) and issubclass(one, Item) and one is not Item]
    assert len({one.cls.get_discriminator(one) for one in found}) == len(found)


@given(MILLISECONDS, MILLISECONDS)
def test_instants_sort_as_text(first: datetime, second: datetime) -> None:
    assert (first < second) == (keys.format_instant(first) < keys.format_instant(second))
    attribute = InstantAttribute()
    assert attribute.deserialize(attribute.serialize(first)) == first


@given(MILLISECONDS)
def test_when_a_row_expires_is_stored_in_whole_epoch_seconds(moment: datetime) -> None:
    stored = items.EmailContentItem("pk", "sk", content=b"", expires_at=moment).serialize()
    assert stored["expires_at"] == {"N": str(math.floor(moment.timestamp()))}
    read = items.EmailContentItem.from_raw_data(stored)
    assert read.serialize() == stored


def test_instants_of_other_zones_become_utc() -> None:
    moment = datetime(2026, 1, 31, 1, tzinfo=timezone(timedelta(hours=2)))
    assert keys.format_instant(moment) == "2026-01-30T23:00:00.000Z"


@given(MILLISECONDS, MILLISECONDS, st.sampled_from(sorted(TASK_KINDS)))
def test_tasks_of_a_subject_sort_by_the_time_they_are_due(first: datetime, second: datetime, kind: str) -> None:
    shards = TASK_KINDS[kind].shards
    one, other = (keys.task(kind, shards, "eml_1", due, "dut_1") for due in (first, second))
    assert one.pk == other.pk
    assert one.pk in {keys.task_partition(kind, shard) for shard in range(shards)}
    assert (first < second) == (one.sk < other.sk)


def test_things_of_one_account_never_share_a_key() -> None:
    made = [
        keys.account("a"),
        keys.contact("a", "x"),
        keys.contact_roles("a"),
        keys.contact_address("a", "x"),
        keys.contact_external_id("a", "x"),
        keys.account_audit_event("a", "x"),
    ]
    assert len(set(made)) == len(made)
    assert len({key.pk for key in made}) == 1
