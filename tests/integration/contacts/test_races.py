"""C2 and C3 under concurrency, on the real-process engine: threads that all want the same at once."""

import os
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.accounts import service as accounts
from chalicelib.contacts import deletion, service
from chalicelib.entities import service as entities
from chalicelib.errors import CounterfoilError
from chalicelib.request_context import Actor, RequestContext
from tests.engine import engine, engine_environment  # noqa: F401

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("engine_environment", "_fresh")]

THREADS = 32
ROUNDS = 50 if os.environ.get("COUNTERFOIL_PROOF") else 4
NOW = datetime(2026, 1, 15, 9, tzinfo=UTC)


@pytest.fixture
def _fresh(engine_environment: dict[str, str]) -> None:  # noqa: F811
    from tests.aws import forget

    forget()


def context() -> RequestContext:
    return RequestContext(Actor("staff", "s1", "Sam"), NOW, "race-0001")


def account(account_id: str) -> str:
    entities.put_entity(
        context(),
        "acme",
        {
            "name": "ACME",
            "colour": "#0b5fff",
            "sender_email": "billing@acme.example",
            "locale": "en",
            "time_zone": "UTC",
        },
    )
    accounts.put_account(context(), account_id, {"name": "Customer", "entity_id": "acme", "currency": "EUR"})
    return account_id


def contact(account_id: str, name: str, *roles: str) -> str:
    given = {"first_name": name, "last_name": "Test", "email": f"{name}@example.com"}
    return service.create_contact(context(), account_id, given, frozenset(roles)).contact.contact_id


def at_once(work: Callable[[int], Any], threads: int = THREADS) -> Counter[str]:
    """Let all threads begin together; count what each came to: ``done``, or the code of its refusal."""
    barrier = threading.Barrier(threads)
    outcomes: list[str] = []

    def run(number: int) -> None:
        barrier.wait()
        try:
            work(number)
            outcomes.append("done")
        except CounterfoilError as refusal:
            outcomes.append(refusal.code)

    running = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return Counter(outcomes)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_the_fifth_place_is_given_once(number: int) -> None:
    account_id = account(f"a{number}")
    for holder in range(4):
        contact(account_id, f"holder{holder}", "invoicing")
    outcomes = at_once(lambda thread: contact(account_id, f"thread{thread}", "invoicing"))
    assert outcomes == {"done": 1, "role_is_full": THREADS - 1}
    assert len(accounts.get_account(account_id).holders.invoicing) == 5
    found, _ = service.list_contacts(account_id, "all", None, 100)
    assert len(found) == 5


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_the_last_two_holders_one_stays(number: int) -> None:
    account_id = account(f"b{number}")
    last_two = [contact(account_id, name, "invoicing", "accounts_payable") for name in ("first", "second")]

    def remove(thread: int) -> None:
        # Half of them delete the contact, the others take its roles.
        contact_id = last_two[thread % 2]
        if thread % 4 < 2:
            deletion.delete_contact(context(), account_id, contact_id, None, None)
        else:
            service.patch_contact(context(), account_id, contact_id, {}, frozenset(), None)

    outcomes = at_once(remove)
    holders = accounts.get_account(account_id).holders
    assert len(holders.invoicing) == 1
    assert holders.invoicing == holders.accounts_payable
    assert set(outcomes) <= {"done", "role_needs_holder", "contact_is_inactive"}


def test_one_email_is_given_once() -> None:
    account_id = account("c1")
    outcomes = at_once(lambda _: contact(account_id, "same"))
    assert outcomes == {"done": 1, "email_taken": THREADS - 1}


def test_two_who_swap_the_last_places_do_not_empty_a_role() -> None:
    account_id = account("d1")
    one = contact(account_id, "one", "invoicing")
    other = contact(account_id, "other", "accounts_payable")

    def swap(thread: int) -> None:
        contact_id, role = ((one, "accounts_payable"), (other, "invoicing"))[thread % 2]
        service.patch_contact(context(), account_id, contact_id, {}, frozenset({role}), None)

    outcomes = at_once(swap)
    holders = accounts.get_account(account_id).holders
    assert holders.invoicing
    assert holders.accounts_payable
    assert "role_needs_holder" in outcomes


def test_contacts_without_roles_do_not_hinder_each_other() -> None:
    account_id = account("e1")
    assert at_once(lambda thread: contact(account_id, f"thread{thread}")) == {"done": THREADS}


def test_a_stale_version_is_refused_to_all_but_one() -> None:
    account_id = account("f1")
    contact_id = contact(account_id, "one")
    titles = [{"job_title": f"Title {thread}"} for thread in range(THREADS)]
    outcomes = at_once(lambda thread: service.patch_contact(context(), account_id, contact_id, titles[thread], None, 1))
    assert outcomes == {"done": 1, "stale_version": THREADS - 1}
