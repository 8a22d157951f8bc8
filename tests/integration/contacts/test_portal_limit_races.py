"""The limits of what portal users mail hold under concurrency, on the real-process engine (A13)."""

import os
from dataclasses import replace

import pytest

from chalicelib.contacts import service
from chalicelib.mail import portal_limits
from chalicelib.mailboxes import mailbox_of
from chalicelib.request_context import Actor
from chalicelib.table import keys, store
from chalicelib.table.items import RateLimitItem
from chalicelib.tokens import sha256_hex
from tests.engine import engine, engine_environment
from tests.integration.contacts.test_races import _fresh, account, at_once, context

__all__ = ["_fresh", "engine", "engine_environment"]

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("engine_environment", "_fresh")]

ROUNDS = 20 if os.environ.get("COUNTERFOIL_PROOF") else 2
THREADS = 12
MOST = 5


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_mailbox_gets_no_more_than_its_limit_from_people_of_several_accounts(number: int) -> None:
    accounts = [account(f"limit-{number}-{one}") for one in range(4)]
    victim = f"bombed{number}@victim.example.org"

    def work(thread: int) -> None:
        caller = replace(context(), actor=Actor("portal_user", f"eve{thread}@customer.example", "Eve"))
        email = f"bombed{number}+{thread}@victim.example.org"
        given = {"first_name": "Bo", "last_name": "Bee", "email": email}
        service.create_contact(caller, accounts[thread % 4], given, frozenset())

    outcomes = at_once(work, THREADS)
    assert outcomes["done"] == MOST, outcomes
    assert outcomes["too_many_emails"] == THREADS - MOST, outcomes
    key = keys.rate_limit("portal_notice_to", sha256_hex(mailbox_of(victim)))
    row = store.get_item(RateLimitItem, key)
    assert row is not None
    assert len(row.instants) == MOST == portal_limits.NOTICE_LIMITS[0][0]
    added = [
        item
        for account_id in accounts
        for item in store.iterate_items(keys.contact(account_id, "").pk, page_size=100)
        if item.key.sk.startswith("CONTACT#")
    ]
    assert len(added) == MOST
