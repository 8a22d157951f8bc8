"""From a thing to its row and back; keys."""

from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.accounts.rules import Account
from chalicelib.bill_groups.rules import BillGroup, Subscription
from chalicelib.contacts.rules import Contact
from chalicelib.entities.rules import Entity
from chalicelib.table import items, keys, store
from chalicelib.table.attributes import InstantAttribute
from chalicelib.table.items import AccountItem, BillGroupItem, ContactItem, EntityItem, Item, SubscriptionItem
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
    (Subscription, SubscriptionItem),
]


@pytest.mark.parametrize(("cls", "item_cls"), PAIRS)
@given(data=st.data())
def test_a_row_gives_back_what_was_put_in(cls: Any, item_cls: Any, data: st.DataObject) -> None:
    thing = data.draw(things(cls))
    row = store.to_item(item_cls, Key("P", "S"), thing, listed=Key("L", "M"))
    read = Item.from_raw_data(row.serialize())
    assert type(read) is item_cls
    assert store.from_item(cls, read) == thing
    assert (read.key, read.gsi1_pk, read.gsi1_sk, read.schema_version) == (Key("P", "S"), "L", "M", 1)


@pytest.mark.parametrize(("cls", "item_cls"), PAIRS)
def test_a_row_has_an_attribute_for_every_field(cls: Any, item_cls: Any) -> None:
    assert {part.name for part in fields(cls)} <= set(item_cls.get_attributes())


def test_every_item_has_a_name_of_its_own() -> None:
    found = [one for one in vars(items).values() if isinstance(one, type) and issubclass(one, Item) and one is not Item]
    assert len({one.cls.get_discriminator(one) for one in found}) == len(found)


@given(MILLISECONDS, MILLISECONDS)
def test_instants_sort_as_text(first: datetime, second: datetime) -> None:
    assert (first < second) == (keys.format_instant(first) < keys.format_instant(second))
    attribute = InstantAttribute()
    assert attribute.deserialize(attribute.serialize(first)) == first


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
