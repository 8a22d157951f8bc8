"""Access rules and contacts' access from files: one a row, mailing nobody unless asked."""

import pytest

from chalicelib.access import access_rules
from chalicelib.bill_groups import service as bill_groups
from chalicelib.contacts import service as contacts
from chalicelib.table.items import EmailItem
from tests.integration.imports.imports import ACCOUNTS, CALL, CONTACTS, data, imported, mapping, rows, told

PEOPLE = "id,name,person,first,last,email,roles\nA1,Lake,p1,Ann,Lee,ann@lake.example,\n"
RULES = mapping(
    {
        "kind": "access_rules",
        "fields": {"bill_group_id": "group", "value": "who", "permissions": {"column": "may", "list": {}}},
    }
)
ACCESS = mapping(
    {
        "kind": "contact_access",
        "fields": {
            "account_id": {"constant": "A1"},
            "bill_group_id": "group",
            "email": "who",
            "permissions": {"column": "may", "list": {}},
        },
    }
)


@pytest.fixture
def groups(entity: None) -> None:
    imported(PEOPLE, mapping(ACCOUNTS, CONTACTS))
    for group in ("b1", "b2"):
        bill_groups.put_bill_group(CALL, group, {"account_id": "A1", "entity_id": "acme", "name": group})


@pytest.mark.usefixtures("groups")
def test_access_rules_come_one_a_row_and_once() -> None:
    file = (
        'group,who,may\nb1,Lake.example,\nb1,ann@lake.example,\nb2,ann@lake.example,"profile,emails"\n'
        'b2,"a@x.example,b@x.example",\nb2,gmail.com,\nnone,x.example,\n'
    )
    before = data()
    dry_run = imported(file, RULES, dry_run=True)
    assert data() == before
    found = imported(file, RULES)
    assert (
        told(found)
        == told(dry_run)
        == [
            (5, "access_rules", "value", "one_at_a_time"),
            (6, "access_rules", "value", "free_provider"),
            (7, "access_rules", "bill_group_id", "unknown"),
        ]
    )
    (domain,), _ = access_rules.list_rules("b1", None, 10)
    (email,), _ = access_rules.list_rules("b2", None, 10)
    assert (domain.kind, domain.value) == ("domain", "lake.example")
    assert (email.value, email.permissions) == ("ann@lake.example", ("profile", "emails"))
    stored = data()
    again = imported(file, RULES)
    assert told(again) == told(found)
    assert data() == stored
    assert [one for one in rows() if isinstance(one, EmailItem)] == []


@pytest.mark.usefixtures("groups")
def test_contacts_access_comes_one_bill_group_a_row() -> None:
    file = (
        'group,who,may\nb1,ann@lake.example,\nb2,ann@lake.example,"pay"\nb2,bob@lake.example,\nnone,ann@lake.example,\n'
    )
    found = imported(file, ACCESS)
    assert told(found) == [
        (4, "contact_access", "email", "unknown_contact"),
        (5, "contact_access", "access.none", "unknown_bill_group"),
    ]
    (contact,), _ = contacts.list_contacts("A1", "active", None, 10)
    assert {group: len(at["permissions"]) for group, at in contact.contact.access.items()} == {"b1": 8, "b2": 1}
    stored = data()
    imported(file, ACCESS)
    assert data() == stored
