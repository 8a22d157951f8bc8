"""Rows are read ahead: what others write in between is not lost, and each row is written once."""

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.accounts import service as accounts
from chalicelib.contacts import service as contacts
from chalicelib.imports.rows import kinds
from chalicelib.request_context import Actor, RequestContext
from chalicelib.table.read_cache import ReadCache
from tests.integration.imports.imports import ACCOUNTS, NOW, imported, mapping, prepare, rows, run

STAFF = RequestContext(Actor("staff", "s1", "Sam"), NOW, "test-correlation")
HEAD = "id,name\n"
CONTENT = HEAD + "".join(f"a{number},Name {number}\n" for number in range(4))
RENAMED = HEAD + "".join(f"a{number},New {number}\n" for number in range(4))


@pytest.mark.parametrize("change", [{"name": "Ours"}, {"time_zone": "Europe/Rome"}])
def test_what_somebody_changes_after_it_was_read_stays(
    entity: None, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    """While the first row is written, staff change what the last row is about, which was read already."""
    imported(CONTENT, mapping(ACCOUNTS))
    plain = kinds.KINDS["accounts"]
    changed = []

    def meanwhile(context: RequestContext, row: Any) -> Any:
        if not changed:
            changed.append(row)
            accounts.put_account(STAFF, "a3", change)
        return plain.write(context, row)

    monkeypatch.setitem(kinds.KINDS, "accounts", replace(plain, write=meanwhile))
    # Whoever changes it is another process, which knows nothing of what this one has read.
    monkeypatch.setattr(ReadCache, "forget", lambda self, keys: None)
    monkeypatch.setattr(ReadCache, "remember", _remember_reads_only)
    found = imported(RENAMED, mapping(ACCOUNTS))
    assert found.counts["accounts"]["changed"] == 4
    account = accounts.get_account("a3").account
    assert (account.name, account.time_zone) == ("New 3", change.get("time_zone"))
    overridden = [(one.line, one.field, one.code) for one in found.warnings]
    assert overridden == ([(5, "name", "overridden")] if "name" in change else [])


_plain_remember = ReadCache.remember


def _remember_reads_only(self: ReadCache, keys: Any, found: Any) -> None:
    keys = list(keys)
    if not any("/a3" in key.pk or "#a3" in key.pk for key in keys) or len(keys) > 4:
        _plain_remember(self, keys, found)


def test_many_rows_of_one_account_see_each_other(entity: None) -> None:
    """The account of five contacts in a role: the sixth row is refused by what the five before it wrote."""
    kind = {
        "kind": "contacts",
        "fields": {
            "account_id": {"constant": "a1"},
            "first_name": "id",
            "last_name": "id",
            "email": {"template": "{id}@a.example"},
            "roles": {"constant": ["invoicing"]},
        },
    }
    imported("id,name\na1,Acme\n", mapping(ACCOUNTS))
    content = "id\n" + "".join(f"p{number}\n" for number in range(40))
    dry_run = imported(content, mapping(kind), dry_run=True)
    found = imported(content, mapping(kind))
    assert found.counts == dry_run.counts
    assert found.counts["contacts"] == {"created": 5, "changed": 0, "unchanged": 0, "refused": 35}
    assert len(contacts.list_contacts("a1", "active", None, 100)[0]) == 5


def test_rows_before_an_unreadable_one_are_done(entity: None) -> None:
    content = CONTENT.encode() + "a9,Ångström\n".encode("cp1252")
    found = run(prepare(content, mapping(ACCOUNTS)))
    assert (found.status, found.counts["accounts"]["created"]) == ("failed", 4)
    assert rows()
