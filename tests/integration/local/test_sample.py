"""The sample data says nothing about anybody who exists, and shows what there is to show."""

import json
import re
from datetime import date, timedelta
from typing import Any

import phonenumbers

from chalicelib.reminders.policy.inputs import EntityPolicyBody, ReminderTemplateBody
from chalicelib.reminders.policy.rules import ReminderPolicy, planned_steps
from chalicelib.serialization import build_dataclass
from infra.local.sample import load, load_invoices
from infra.local.sample.first_emails import KINDS, PORTAL_EMAIL
from infra.local.template import ROOT

_ACCOUNTS = ("accounts-americas.yaml", "accounts-europe.yaml", "accounts-asia.yaml")
_FILES = ("entities.yaml", *_ACCOUNTS, "invoices.yaml")
_DAY = date(2026, 1, 31)


def _accounts() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in _ACCOUNTS:
        content = load._read(name, _DAY)
        assert not set(content) & set(found)
        found |= content
    return found


def test_domains_are_reserved() -> None:
    for name in _FILES:
        text = (load._FOLDER / name).read_text(encoding="utf-8")
        for domain in re.findall(r"@([\w.-]+)", text) + re.findall(r"https?://([\w.-]+)", text):
            assert domain.endswith(".example"), domain


def test_every_kind_of_email_is_shown_on_the_first_day() -> None:
    templates = ROOT / "chalicelib" / "mail" / "templates"
    assert {file.parent.name for file in templates.glob("*/subject.txt")} == KINDS | {"sign_in_not_yet"}


def test_somebody_may_enter() -> None:
    people = [contact for account in _accounts().values() for contact in account["contacts"].values()]
    assert [contact["email"] for contact in people if contact.get("owner")] == [PORTAL_EMAIL]


def test_telephone_numbers_are_possible() -> None:
    cells = [
        contact["cell"]
        for account in _accounts().values()
        for contact in account["contacts"].values()
        if "cell" in contact
    ]
    assert len(cells) >= 5
    assert all(phonenumbers.is_possible_number(phonenumbers.parse(cell, None)) for cell in cells)


def test_it_is_rich_enough() -> None:
    accounts = _accounts()
    given = [account["account"] for account in accounts.values()]
    assert len(load._read("entities.yaml", _DAY)) >= 3
    assert len(accounts) >= 14
    assert {"Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo"} <= {one["time_zone"] for one in given}
    assert {None, 14, 30, 60} == {one["payment_terms"].get("days") for one in given}
    assert any(one.get("cost_center_billing") for one in given)
    contacts = [contact for account in accounts.values() for contact in account["contacts"].values()]
    emails = [contact["email"] for contact in contacts]
    assert len(emails) - len(set(emails)) >= 2
    assert any(contact.get("gone") for contact in contacts)
    assert any(contact.get("kind") == "mailbox" for contact in contacts)
    letters = "".join(str(contact.get("last_name", "")) for contact in contacts)
    for first, last in (("א", "ת"), ("ا", "ي"), ("Α", "ω"), ("А", "я"), ("一", "龥"), ("À", "ÿ")):
        assert any(first <= letter <= last for letter in letters), first


def test_names_agree() -> None:
    entities = load._read("entities.yaml", _DAY)
    for account in _accounts().values():
        assert account["account"]["entity_id"] in entities
        assert set(account["subscriptions"]) <= set(account["bill_groups"])
        active = {name for name, contact in account["contacts"].items() if not contact.get("gone")}
        for group in account["bill_groups"].values():
            assert group["billing"] in active


def test_policies_of_reminders_can_be_kept() -> None:
    entities = load._read("entities.yaml", _DAY)
    modes = [entity.get("reminder_mail", {"mode": "off"})["mode"] for entity in entities.values()]
    assert sorted(modes) == ["live", "off", "pilot", "shadow"]
    given = [entity["reminder_policy"] for entity in entities.values() if "reminder_policy" in entity]
    assert given
    for one in given:
        EntityPolicyBody.model_validate_json(json.dumps(one))
    templates = {
        (name, template_id): texts
        for name, entity in entities.items()
        for template_id, texts in entity.get("reminder_templates", {}).items()
    }
    for texts in templates.values():
        ReminderTemplateBody.model_validate_json(json.dumps({"texts": texts}))
    named = {
        (name, step["template"])
        for name, entity in entities.items()
        for step in entity.get("reminder_policy", {}).get("steps", ())
        if "template" in step
    }
    assert named == set(templates) != set()
    accounts = {
        name for entity in entities.values() for name in entity.get("reminder_mail", {}).get("pilot_account_ids", ())
    }
    assert accounts
    assert accounts <= set(_accounts())


def test_no_reminder_is_due_on_the_day_of_loading() -> None:
    # The hourly run begins as soon as the sample is loaded, wherever the account is: a day before or after.
    entities = load._read("entities.yaml", _DAY)
    steps_to_come = 0
    for invoice, owner in _invoices():
        entity = entities[owner["entity_id"]]
        if entity.get("reminder_mail", {}).get("mode") not in ("live", "pilot"):
            continue
        policy = build_dataclass(
            ReminderPolicy, EntityPolicyBody.model_validate(entity.get("reminder_policy", {})).given()
        )
        due = date.fromisoformat(invoice["issued"]) + timedelta(days=owner["payment_terms"].get("days") or 0)
        days = [(step.on - _DAY).days for step in planned_steps(policy, due)]
        assert not {-1, 0, 1} & set(days), (invoice["id"], days)
        steps_to_come += len([day for day in days if day > 0])
    assert steps_to_come >= 10


def test_dates_count_from_the_day_of_loading() -> None:
    group = _accounts()["harbor-light"]["bill_groups"]["harbor-light-hq"]
    assert group["next_billing_date"] == "2026-02-09"


def _invoices() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return each invoice with the account it belongs to."""
    owners = {group: one["account"] for one in _accounts().values() for group in one["bill_groups"]}
    found = load._read("invoices.yaml", _DAY)["invoices"]
    return [(invoice, owners[group]) for group, invoices in found.items() for invoice in invoices]


def test_invoices_are_named_once_and_paid_by_those_they_belong_to() -> None:
    invoices = _invoices()
    assert len({invoice["id"] for invoice, _ in invoices}) == len(invoices)
    numbers = {(owner["entity_id"], invoice["number"]) for invoice, owner in invoices}
    assert len(numbers) == len(invoices)
    accounts = _accounts()
    for payment in load._read("invoices.yaml", _DAY)["payments"]:
        owner = accounts[payment["account_id"]]["account"]
        assert (payment["entity_id"], payment["currency"]) == (owner["entity_id"], owner["currency"])


def test_invoices_show_what_there_is_to_show() -> None:
    invoices = _invoices()
    assert {"JPY", "BHD", "EUR", "CHF", "USD"} <= {owner["currency"] for _, owner in invoices}
    steps = [step for invoice, _ in invoices for step in invoice.get("then", ())]
    assert {"paid", "dispute", "void", "uncollectible"} <= {name for step in steps for name in step}
    assert any(invoice.get("kind") == "credit_note" for invoice, _ in invoices)
    assert any(isinstance(line, dict) and line["each"] > 30 for invoice, _ in invoices for line in invoice["lines"])
    ages = set()
    for invoice, owner in invoices:
        if "then" not in invoice and invoice.get("kind") != "credit_note":
            terms = owner["payment_terms"].get("days") or 0
            late = (_DAY - date.fromisoformat(invoice["issued"])).days - terms
            ages.add(min(max(0, -(-late // 30)), 4))
    assert ages == {0, 1, 2, 3, 4}


def test_everything_happens_on_its_day() -> None:
    sample = load.Sample.read(_DAY)
    days = [event.day for event in sample.history()]
    assert days == sorted(days)
    assert max(days) <= _DAY.isoformat()
    issued = {invoice["id"]: invoice["issued"] for invoice, _ in _invoices()}
    for invoice, _ in _invoices():
        assert all(issued[invoice["id"]] <= step["day"] for step in invoice.get("then", ())), invoice["id"]
    for payment in sample.invoices["payments"]:
        assert all(issued[name] <= payment["day"] for name in payment.get("allocations", ()))


def test_sums_are_worked_out_to_the_minor_unit() -> None:
    taxes = load._read("invoices.yaml", _DAY)["taxes"]
    dinars = {"id": "x", "number": "1", "issued": "2026-01-01", "tax": "bh", "lines": [["3", "Text", "12.345"]]}
    body = load_invoices._body(dinars, "group", "BHD", taxes)
    assert (body["net_total"], body["tax_total"], body["total"]) == (37035, 3704, 40739)
    many = {**dinars, "tax": "jp", "lines": [{"each": 2, "text": "席 {n}", "quantity": "1", "price": "1481"}]}
    body = load_invoices._body(many, "group", "JPY", taxes)
    assert [line["description"] for line in body["lines"]] == ["席 1", "席 2"]
    assert (body["net_total"], body["tax_total"], body["total"]) == (2962, 296, 3258)
