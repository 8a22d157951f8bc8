"""What one hourly run finds of accounts that are due."""

from datetime import UTC, datetime

import pytest

from chalicelib.reminders.run import dispatch
from chalicelib.table import keys, store

NOON = datetime(2026, 3, 9, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """In each shard are three pages of one account, the longest due first."""

    def sort_keys(pk: str, *, limit: int, after: str | None, until: str) -> tuple[list[str], str | None]:
        day = 1 if after is None else int(after[8:10]) + 1
        key = f"2026-03-{day:02d}T09:00:00.000Z#a{pk[-1]}#acme"
        return [key], key if day < 3 else None

    monkeypatch.setattr(store, "query_sort_keys", sort_keys)


def test_all_are_found_the_longest_due_first() -> None:
    found = dispatch.find_due_accounts(NOON, lambda: True)
    assert found.complete
    assert len(found.accounts) == 3 * len(keys.reminder_due_partitions())
    assert [one.due for one in found.accounts] == sorted(one.due for one in found.accounts)


def test_no_more_are_found_than_there_is_room_for_and_the_longest_due_of_each_shard_are_among_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shards = len(keys.reminder_due_partitions())
    monkeypatch.setattr(dispatch, "_MAX_ACCOUNTS", shards + 1)
    found = dispatch.find_due_accounts(NOON, lambda: True)
    assert not found.complete
    assert len(found.accounts) == shards + 1
    assert {one.account_id for one in found.accounts if one.due.startswith("2026-03-01")} == {
        f"a{shard}" for shard in range(shards)
    }


def test_nothing_is_found_without_time() -> None:
    assert dispatch.find_due_accounts(NOON, lambda: False) == dispatch.DueAccounts([], False)
