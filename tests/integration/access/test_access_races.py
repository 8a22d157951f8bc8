"""Access rules and contacts' access under concurrency, on the real-process engine (A1, C4)."""

import os

import pytest

from chalicelib.access import access_rules, domains
from chalicelib.bill_groups import portal_link
from chalicelib.bill_groups import service as bill_groups
from chalicelib.contacts import deletion, service
from chalicelib.sign_in.service import find_portal_bill_group
from chalicelib.table import keys, store
from chalicelib.table.items import ContactAddressItem, DomainAccessItem
from tests.engine import engine, engine_environment
from tests.integration.contacts.test_races import THREADS, _fresh, account, at_once, contact, context

__all__ = ["_fresh", "engine", "engine_environment"]

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("engine_environment", "_fresh")]

ROUNDS = 30 if os.environ.get("COUNTERFOIL_PROOF") else 2
DOMAIN = "example.com"


def group(name: str) -> tuple[str, str]:
    account_id = account(f"a-{name}")
    given = {"account_id": account_id, "entity_id": "acme", "name": "Group"}
    bill_groups.put_bill_group(context(), f"b-{name}", given)
    return account_id, f"b-{name}"


def add(bill_group_id: str, value: str, *, replace: bool = False) -> None:
    access_rules.create_access_rule(context(), bill_group_id, domains.parse_rule_target(value), replace_emails=replace)


def state(bill_group_id: str, emails: list[str]) -> tuple[bool, set[str]]:
    """Return whether the domain has a rule and which addresses have, which the pointers must agree with."""
    row = store.get_item(DomainAccessItem, keys.domain_access(bill_group_id, DOMAIN))
    by_domain = row is not None and row.domain_rule is not None
    listed = set(row.addresses) if row else set()
    pointers = {email: keys.access_rule_by_address(email, bill_group_id) for email in emails}
    found = store.batch_get_items([*pointers.values(), keys.access_rule_by_domain(DOMAIN, bill_group_id)])
    assert (keys.access_rule_by_domain(DOMAIN, bill_group_id) in found) == by_domain
    assert {email for email, key in pointers.items() if key in found} == listed
    assert not (by_domain and listed)
    return by_domain, listed


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_rules_that_overlap_only_those_stand_that_may_together(number: int) -> None:
    _, bill_group_id = group(f"o{number}")
    emails = [f"p{thread % 8}@{DOMAIN}" for thread in range(THREADS)]

    def work(thread: int) -> None:
        add(bill_group_id, DOMAIN if thread % 4 == 0 else emails[thread])

    outcomes = at_once(work)
    by_domain, listed = state(bill_group_id, emails)
    assert outcomes["done"] == (1 if by_domain else len(listed))
    in_the_way = "email_under_domain" if by_domain else "domain_over_emails"
    assert set(outcomes) - {"done"} <= {in_the_way, "access_rule_exists"}


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_replacement_and_the_addresses_that_come_in_between(number: int) -> None:
    _, bill_group_id = group(f"r{number}")
    emails = [f"p{thread}@{DOMAIN}" for thread in range(THREADS)]
    outcomes = at_once(lambda thread: add(bill_group_id, DOMAIN if thread == 0 else emails[thread], replace=True))
    assert state(bill_group_id, emails) == (True, set())
    assert set(outcomes) <= {"done", "email_under_domain"}


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_contact_that_is_deleted_while_access_is_given_has_none(number: int) -> None:
    account_id, bill_group_id = group(f"d{number}")
    contact_id = contact(account_id, "ann")
    email = f"ann@{DOMAIN}"

    def work(thread: int) -> None:
        if thread % 2:
            service.patch_contact(
                context(), account_id, contact_id, {}, None, None, wanted_access={bill_group_id: ["profile"]}
            )
        else:
            deletion.delete_contact(context(), account_id, contact_id, None, None)

    outcomes = at_once(work)
    assert set(outcomes) <= {"done", "contact_is_inactive"}
    assert store.get_item(ContactAddressItem, keys.contact_address(account_id, email)) is None
    assert service.get_contact(account_id, contact_id).contact.access == {}


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_domain_that_comes_while_a_contact_is_deleted(number: int) -> None:
    account_id, bill_group_id = group(f"w{number}")
    contact_id = contact(account_id, "ann")
    email = f"ann@{DOMAIN}"
    add(bill_group_id, email)

    def work(thread: int) -> None:
        if thread == 0:
            deletion.delete_contact(context(), account_id, contact_id, None, None)
        elif thread == 1:
            add(bill_group_id, DOMAIN, replace=True)

    at_once(work, threads=2)
    row = store.get_item(DomainAccessItem, keys.domain_access(bill_group_id, DOMAIN))
    assert row is not None
    # Either the domain came first, and the address is denied; or the contact had gone, with its rule, before it came.
    assert row.domain_rule is not None
    assert email not in row.addresses


def test_of_many_new_portal_links_one_is_left() -> None:
    _, bill_group_id = group("links")
    urls: list[str] = []
    at_once(lambda _: urls.append(portal_link.replace(context(), bill_group_id)), threads=8)
    newest = portal_link.get_url(bill_group_id)
    alive = [url for url in urls if find_portal_bill_group(url.rpartition("/")[2]) is not None]
    assert alive == [newest]
