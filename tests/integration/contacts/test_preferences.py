"""What contacts choose to be mailed, and who gets a bill group's mails (C7, C8)."""

from typing import Any

import pytest

from chalicelib.accounts import service as accounts
from chalicelib.bill_groups import service as bill_groups
from chalicelib.contacts import erasure, recipients
from chalicelib.contacts.rules import Recipient
from chalicelib.table import keys, store
from chalicelib.table.items import SuppressionItem
from tests.aws_calls import counted
from tests.integration.people import portal
from tests.integration.service import Service, code, faults, rows

OFF = {"invoices": False, "reminders": False, "general": False, "support": False, "product": False}


@pytest.fixture
def account(service: Service) -> str:
    return service.account()


def of(account: str, contact: Any) -> str:
    return f"{account}/contacts/{contact['contact_id']}/preferences"


def suppress(service: Service, email: str) -> None:
    key = keys.suppression(email)
    store.create_item(SuppressionItem(key.pk, key.sk, email=email, reason="bounced", since=service.clock.now))


def who(found: list[Recipient]) -> list[tuple[str, bool]]:
    return [(recipient.email.split("@")[0], recipient.copy) for recipient in found]


def invoicing(group: str | None = None) -> list[Recipient]:
    of_group = bill_groups.get_bill_group(group).bill_group if group else None
    return recipients.list_invoice_recipients(accounts.get_account("a1").account, of_group)


def test_nothing_is_chosen_at_first_and_a_role_brings_its_mail(service: Service, account: str) -> None:
    found = service.get(of(account, service.contact(account, "Ann", "invoicing")))
    assert {name: found[name] for name in OFF} == {**OFF, "invoices": True}
    assert found["required"] == ["invoices"]
    assert found["delivery_style"] == {"grouping": "one_per_mail", "pdf_only": False, "size_limit_kib": None}
    assert service.get(of(account, service.contact(account, "Bob")))["required"] == []


def test_what_is_chosen_stays_until_it_is_chosen_otherwise(service: Service, account: str) -> None:
    path = of(account, service.contact(account, "Ann"))
    style = {"grouping": "together", "pdf_only": True, "size_limit_kib": 2048}
    chosen = service.ask("PUT", path, {"general": True, "reminders": True, "delivery_style": style}, if_match="1")
    assert (chosen.status, chosen.headers["etag"]) == (200, '"2"')
    assert {name: chosen.json[name] for name in OFF} == {**OFF, "general": True, "reminders": True}
    assert chosen.json["delivery_style"] == style
    assert service.get(path) == chosen.json
    before = rows()
    assert service.put(path, general=True)["version"] == 2
    assert rows() == before
    changed = service.put(path, general=None, support=False, delivery_style=None)
    assert {name: changed[name] for name in OFF} == {**OFF, "reminders": True}
    assert changed["delivery_style"]["grouping"] == "one_per_mail"
    events = [one for one in service.all_of(f"{account}/audit-events") if "preferences" in one["action"]]
    assert len(events) == 2
    for event in events:
        assert {change["field"] for change in event["changes"]} == {"preferences", "delivery_style"}
    assert code(service.ask("PUT", path, {"general": True}, if_match="1")) == (409, "stale_version")


def test_other_changes_leave_the_choices_alone(service: Service, account: str) -> None:
    contact = service.contact(account, "Ann")
    service.put(of(account, contact), invoices=True, delivery_style={"grouping": "together"})
    service.patch(f"{account}/contacts/{contact['contact_id']}", job_title="Clerk")
    found = service.get(of(account, contact))
    assert (found["invoices"], found["delivery_style"]["grouping"]) == (True, "together")


@pytest.mark.parametrize(("role", "category"), [("invoicing", "invoices"), ("accounts_payable", "reminders")])
def test_a_roles_mail_cannot_be_switched_off_while_it_is_held(
    service: Service, account: str, role: str, category: str
) -> None:
    contact = service.contact(account, "Ann", role)
    before = rows()
    refused = service.ask("PUT", of(account, contact), {category: False, "general": True})
    assert (code(refused), faults(refused)) == ((409, "role_mail_stays"), [(category, "role_mail_stays")])
    assert rows() == before
    # What a reading tells can be sent back, and is no choice for the time after the role.
    assert service.put(of(account, contact), **{category: True})["version"] == 1
    service.patch(f"{account}/contacts/{contact['contact_id']}", roles=[])
    found = service.get(of(account, contact))
    assert (found[category], found["required"]) == (False, [])


def test_with_the_role_goes_a_choice_from_before_it(service: Service, account: str) -> None:
    contact = service.contact(account, "Ann")
    service.put(of(account, contact), invoices=True, reminders=True)
    service.patch(f"{account}/contacts/{contact['contact_id']}", roles=["invoicing"])
    assert who(invoicing()) == [("ann", False)]
    service.patch(f"{account}/contacts/{contact['contact_id']}", roles=[])
    found = service.get(of(account, contact))
    assert (found["invoices"], found["reminders"]) == (False, True)
    assert who(invoicing()) == []


@pytest.mark.parametrize(
    ("style", "fault"),
    [
        ({"grouping": "weekly"}, "delivery_style.grouping"),
        ({"size_limit_kib": 10}, "delivery_style.size_limit_kib"),
        ({"size_limit_kib": 26_000}, "delivery_style.size_limit_kib"),
        ({"pdf": True}, "delivery_style.pdf"),
    ],
)
def test_a_style_that_is_none(service: Service, account: str, style: dict[str, Any], fault: str) -> None:
    refused = service.ask("PUT", of(account, service.contact(account, "Ann")), {"delivery_style": style})
    assert [field for field, _ in faults(refused)] == [fault]


def test_only_active_contacts_choose(service: Service, account: str) -> None:
    contact = service.contact(account, "Ann")
    service.put(of(account, contact), invoices=True, general=True)
    assert service.ask("DELETE", f"{account}/contacts/{contact['contact_id']}").status == 204
    assert code(service.ask("PUT", of(account, contact), {"general": True})) == (409, "contact_is_inactive")
    assert who(invoicing()) == []
    service.ask("POST", f"{account}/contacts/{contact['contact_id']}/restore")
    assert who(invoicing()) == [("ann", True)]
    assert code(service.ask("PUT", of(account, {"contact_id": "con_" + "0" * 26}), {})) == (404, "not_found")


def test_holders_then_copies_each_once(service: Service, account: str) -> None:
    contacts = {
        name: service.contact(account, name, *roles)
        for name, roles in {"Ann": ["invoicing"], "Bob": ["invoicing", "accounts_payable"], "Cy": [], "Di": []}.items()
    }
    service.put(of(account, contacts["Cy"]), invoices=True)
    service.put(of(account, contacts["Di"]), reminders=True)
    service.patch(f"{account}/contacts/{contacts['Cy']['contact_id']}", locale="fr")
    style = {"grouping": "together", "pdf_only": True, "size_limit_kib": 500}
    service.put(of(account, contacts["Ann"]), delivery_style=style)
    suppress(service, "bob@example.com")
    order = sorted(["Ann", "Bob"], key=lambda name: contacts[name]["contact_id"])
    found = invoicing()
    assert who(found) == [*((name.lower(), False) for name in order), ("cy", True)]
    by_name = {one.email.split("@")[0]: one for one in found}
    assert (by_name["cy"].locale, by_name["cy"].name, by_name["cy"].suppressed) == ("fr", "Cy Test", False)
    assert vars(by_name["ann"].style) == style
    assert by_name["bob"].suppressed
    payable = recipients.list_reminder_recipients(accounts.get_account("a1").account, None)
    assert who(payable) == [("bob", False), ("di", True)]


def test_narrowing_leaves_out_holders_and_keeps_copies(service: Service, account: str) -> None:
    ann, bob = (service.contact(account, name, "invoicing") for name in ("Ann", "Bob"))
    copy = service.contact(account, "Cy")
    service.put(of(account, copy), invoices=True)
    service.bill_group("b1", account, invoicing_contact_ids=[bob["contact_id"]])
    assert who(invoicing("b1")) == [("bob", False), ("cy", True)]
    service.patch(f"{account}/contacts/{bob['contact_id']}", roles=[])
    assert who(invoicing("b1")) == [("ann", False), ("cy", True)]
    assert ann["contact_id"] in [one.contact_id for one in invoicing("b1")]


def test_whom_to_mail_costs_three_reads(service: Service, account: str) -> None:
    service.contact(account, "Ann", "invoicing")
    service.put(of(account, service.contact(account, "Cy")), invoices=True)
    known = accounts.get_account("a1").account
    with counted() as calls:
        recipients.list_invoice_recipients(known, None)
    assert (calls.reads, calls.writes) == (3, 0)


def test_there_are_not_more_than_fifty_copies(service: Service, account: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.contacts.preference_rules.MAX_COPIES", 2)
    paths = [of(account, service.contact(account, name)) for name in ("Ann", "Bob", "Cy")]
    for path in paths[:2]:
        service.put(path, invoices=True)
    refused = service.ask("PUT", paths[2], {"invoices": True})
    assert (code(refused), faults(refused)) == ((409, "copies_are_full"), [("invoices", "copies_are_full")])
    service.put(paths[2], reminders=True)
    service.put(paths[0], invoices=False)
    service.put(paths[2], invoices=True)


def test_an_erased_contact_is_on_no_list(service: Service, account: str) -> None:
    contact = service.contact(account, "Ann")
    service.put(of(account, contact), invoices=True)
    answer = service.ask("POST", f"{account}/contacts/{contact['contact_id']}/erase", {"confirm": True})
    erasure.run_erasure(service.context, answer.json["erasure_id"])
    roles = store.batch_get_items([keys.contact_roles("a1")])[keys.contact_roles("a1")]
    assert roles.copies == {}
    assert invoicing() == []


def test_portal_users_choose_as_they_edit_contacts(service: Service, account: str) -> None:
    path = of(account, service.contact(account, "Ann"))
    service.bill_group("b1", account)
    may = portal(service, "eve@customer.example", ["contacts"])
    assert service.ask("PUT", path, {"general": True}, may).status == 200
    assert service.ask("GET", path, token=portal(service, "ed@customer.example", ["profile"])).status == 403
    service.put(account, cost_center_billing=True)
    assert code(service.ask("PUT", path, {"general": False}, may)) == (403, "cost_center_billing")
