"""An import that is killed anywhere, handed over, or run by two at once ends as if nothing had happened."""

import dataclasses
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from chalicelib import clock
from chalicelib.errors import Unavailable
from chalicelib.imports import rules, service
from chalicelib.imports.rows.kinds import KINDS
from chalicelib.imports.run.process import ImportRun, run_import
from chalicelib.table import keys, store
from chalicelib.table.items import AuditEventItem, ContactItem, ImportItem, InvoiceItem
from chalicelib.tasks import service as sweeper
from tests.aws import BUCKET, client
from tests.aws_calls import Crash, failing
from tests.integration.imports.imports import ACCOUNTS, CONTACTS, NOW, always, mapping, prepare, rows, run, tasks
from tests.integration.imports.shop import INVOICES, JOINED, LINES, customers, prepare_two

HEAD = "id,name,person,first,last,email,roles\n"
BOTH = mapping(ACCOUNTS, CONTACTS)
SIX = HEAD + "".join(f"a{n},N{n},p{n},P,Q,p{n}@a.example,invoicing\n" for n in (1, 2)) + "a3,,p3,P,Q,x,\n"
EXPECTED = {
    "rows": {"read": 3, "refused": 1},
    "accounts": {"created": 2, "changed": 0, "unchanged": 0, "refused": 1},
    "contacts": {"created": 2, "changed": 0, "unchanged": 0, "refused": 1},
}


def later(minutes: float) -> None:
    clock.set_clock_source(lambda: NOW + timedelta(minutes=minutes))


def whole() -> None:
    """Nothing half, nothing twice: one contact and one audit event for each thing that was made."""
    made = [item for item in rows() if isinstance(item, ContactItem)]
    assert sorted(item.email for item in made) == ["p1@a.example", "p2@a.example"]
    events = [item for item in rows() if isinstance(item, AuditEventItem)]
    assert (
        sorted(item.action for item in events if item.account_id) == ["account.created"] * 2 + ["contact.created"] * 2
    )


def finish(import_id: str) -> Any:
    """Do what the sweeper and the queue do until the import is over."""
    for minutes in range(6, 60, 6):
        later(minutes)
        sweeper.sweep_overdue_tasks(always)
        found = run(import_id)
        if found.status in ("finished", "failed"):
            return found
    raise AssertionError("The import does not end.")


@pytest.mark.parametrize("how", ["before", "after", "lost"])
@pytest.mark.parametrize("number", range(26))
def test_killed_at_any_call_it_ends_the_same(
    entity: None, monkeypatch: pytest.MonkeyPatch, number: int, how: str
) -> None:
    monkeypatch.setattr(rules, "CHECKPOINT_ROWS", 2)
    import_id = prepare(SIX.encode(), BOTH)
    with failing(number, how) as names, suppress(Crash):
        run_import(import_id, tasks()[0].key, always)
    assert len(names) <= 27, names
    found = finish(import_id)
    assert (found.status, found.counts) == ("finished", EXPECTED)
    assert [one.line for one in found.refusals] == [4, 4]
    assert tasks() == []
    whole()


@pytest.mark.parametrize("dry_run", [True, False])
def test_handed_over_after_every_row(entity: None, dry_run: bool) -> None:
    import_id = prepare(SIX.encode(), BOTH, dry_run=dry_run)
    states = []
    for _ in range(6):
        states.append(run(import_id, time_is_left=lambda: False).status)
        if states[-1] == "finished":
            break
    assert states == ["queued", "queued", "queued", "finished"]
    found = service.get_import(import_id)
    assert found.counts == EXPECTED
    assert [one.line for one in found.refusals] == [4, 4]
    assert tasks() == []
    if not dry_run:
        whole()


def test_rows_of_earlier_runs_are_remembered(entity: None) -> None:
    """What a file says twice is found even when the two rows are worked on by two runs."""
    content = HEAD + "a1,One,,,,,\na2,Two,,,,,\na1,Other,,,,,\n"
    import_id = prepare(content.encode(), mapping(ACCOUNTS), dry_run=True)
    run(import_id, time_is_left=lambda: False)
    found = run(import_id)
    assert [(one.line, one.code) for one in found.refusals] == [(4, "repeated")]
    assert found.counts["accounts"]["created"] == 2


def test_a_run_leaves_an_import_alone_that_another_works_on(entity: None, monkeypatch: pytest.MonkeyPatch) -> None:
    import_id = prepare(SIX.encode(), BOTH)
    (task,) = tasks()
    work = ImportRun.work
    seen = []

    def meanwhile(self: ImportRun) -> None:
        run_import(import_id, task.key, always)
        seen.append(service.get_import(import_id).status)
        work(self)

    monkeypatch.setattr(ImportRun, "work", meanwhile)
    run_import(import_id, task.key, always)
    assert seen == ["running"]
    assert service.get_import(import_id).counts == EXPECTED
    whole()


def test_two_that_both_believe_to_have_it(entity: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first stalls within a row until its lease is over and another has finished; then it goes on."""
    monkeypatch.setattr(rules, "CHECKPOINT_ROWS", 1)
    import_id = prepare(SIX.encode(), BOTH)
    kind = KINDS["contacts"]
    stalled = []

    def stalling(call: Any, row: Any) -> Any:
        if not stalled:
            stalled.append(row)
            later(rules.LEASE.total_seconds() / 60 + 1)
            run(import_id)
            assert service.get_import(import_id).status == "finished"
        return kind.write(call, row)

    monkeypatch.setitem(KINDS, "contacts", dataclasses.replace(kind, write=stalling))
    run_import(import_id, tasks()[0].key, always)
    found = service.get_import(import_id)
    assert (found.status, found.counts) == ("finished", EXPECTED)
    whole()


def test_it_goes_on_when_the_database_answers_again(entity: None, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = KINDS["contacts"]
    failures = [Unavailable("It did not answer.")] * 2

    def failing_twice(call: Any, row: Any) -> Any:
        if failures:
            raise failures.pop()
        return kind.write(call, row)

    monkeypatch.setitem(KINDS, "contacts", dataclasses.replace(kind, write=failing_twice))
    import_id = prepare(SIX.encode(), BOTH)
    assert run(import_id).status == "queued"
    assert finish(import_id).counts == EXPECTED
    whole()


def test_it_gives_up_in_the_end(entity: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(call: Any, row: Any) -> Any:
        raise RuntimeError("a fault of ours")

    monkeypatch.setitem(KINDS, "accounts", dataclasses.replace(KINDS["accounts"], write=broken))
    import_id = prepare(SIX.encode(), BOTH)
    for _ in range(rules.MAX_ATTEMPTS):
        with pytest.raises(RuntimeError):
            run(import_id)
    found = run(import_id)
    assert found.status == "failed"
    assert found.reason is not None
    assert "row 1" in found.reason
    assert tasks() == []


def test_a_file_that_is_replaced_after_the_start_is_not_read(entity: None) -> None:
    import_id = prepare(SIX.encode(), BOTH)
    client("s3").put_object(Bucket=BUCKET, Key=f"imports/{import_id}/source", Body=b"id,name\nx,y\n")
    found = run(import_id)
    assert found.status == "failed"
    item = store.get_item(ImportItem, keys.import_(import_id))
    assert item is not None
    assert item.lease_id is None


TWO_INVOICES = "".join(INVOICES.splitlines(keepends=True)[:3])


@pytest.mark.parametrize("how", ["before", "after", "lost"])
@pytest.mark.parametrize("number", range(22))
def test_an_import_of_two_files_that_is_killed_at_any_call_ends_the_same(
    entity: None, monkeypatch: pytest.MonkeyPatch, number: int, how: str
) -> None:
    monkeypatch.setattr(rules, "CHECKPOINT_ROWS", 2)
    customers()
    import_id = prepare_two(TWO_INVOICES, LINES, mapping(JOINED))
    with failing(number, how) as names, suppress(Crash):
        run_import(import_id, tasks()[0].key, always)
    assert len(names) <= 24, names
    found = finish(import_id)
    assert (found.status, found.counts) == (
        "finished",
        {
            "rows": {"read": 2, "refused": 0},
            "lines": {"read": 5, "refused": 1},
            "invoices": {"created": 2, "changed": 0, "unchanged": 0, "refused": 0},
        },
    )
    assert [(one.file, one.line) for one in found.refusals] == [("lines", 5)]
    assert sum(isinstance(item, InvoiceItem) for item in rows()) == 2
    issued = [item for item in rows() if isinstance(item, AuditEventItem) and item.resource_kind == "invoice"]
    assert len(issued) == 2
