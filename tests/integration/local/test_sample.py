"""The sample data says nothing about anybody who exists, and shows what there is to show."""

import re
from datetime import date
from typing import Any

import phonenumbers

from infra.local.sample import load

_FILES = ("entities.yaml", "accounts-americas.yaml", "accounts-europe.yaml", "accounts-asia.yaml")
_DAY = date(2026, 1, 31)


def _accounts() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in _FILES[1:]:
        content = load._read(name, _DAY)
        assert not set(content) & set(found)
        found |= content
    return found


def test_domains_are_reserved() -> None:
    for name in _FILES:
        text = (load._FOLDER / name).read_text(encoding="utf-8")
        for domain in re.findall(r"@([\w.-]+)", text) + re.findall(r"https?://([\w.-]+)", text):
            assert domain.endswith(".example"), domain


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


def test_dates_count_from_the_day_of_loading() -> None:
    group = _accounts()["harbor-light"]["bill_groups"]["harbor-light-hq"]
    assert group["next_billing_date"] == "2026-02-09"
