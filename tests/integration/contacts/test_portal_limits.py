"""What a portal user can make the service mail is limited, and holds no addresses of their making (A13)."""

from typing import Any

import pytest

from tests.integration.people import portal
from tests.integration.service import Service, code, faults, rows

VICTIM = "bombed@victim.example.org"


@pytest.fixture
def eve(service: Service) -> str:
    """The token of a portal user who may change contacts."""
    service.bill_group("b1", service.account())
    return portal(service, "eve@customer.example", ["contacts", "access", "invoices", "emails"])


def person(email: str, **more: Any) -> dict[str, Any]:
    return {"first_name": "Bo", "last_name": "Bee", "email": email, **more}


def written() -> list[dict[str, Any]]:
    """Every row, but for the note of who signed in by which rule."""
    return [row for row in rows() if row["cls"]["S"] != "access"]


def emails(status: str, kind: str | None = None) -> list[dict[str, Any]]:
    found = [row for row in rows() if row["cls"]["S"] == "email" and row["status"]["S"] == status]
    return [row for row in found if kind is None or row["kind"]["S"] == kind]


def test_a_stranger_gets_few_emails_however_often_a_contact_is_added_and_deleted(service: Service, eve: str) -> None:
    answers = []
    for number in range(30):
        # Another tag is the same mailbox.
        added = service.ask("POST", "/accounts/a1/contacts", person(f"bombed+{number}@victim.example.org"), token=eve)
        answers.append(added)
        if added.status == 201:
            path = f"/accounts/a1/contacts/{added.json['contact_id']}"
            assert service.ask("DELETE", path, token=eve).status == 204
        service.clock.move(seconds=1)
    refused = [one for one in answers if one.status != 201]
    assert {code(one) for one in refused} == {(429, "too_many_emails")}
    assert all(0 < int(one.headers["retry-after"]) <= 3600 for one in refused)
    assert len(emails("queued")) == 5
    # A deletion goes on although its email does not.
    assert len(answers) - len(refused) == 3
    (withheld,) = emails("failed", "contact_removed")
    assert withheld["reason"]["S"] == "limit"
    assert not [row for row in rows() if row["cls"]["S"] == "contact" and row["status"]["S"] == "active"]
    before = written()
    again = service.ask("POST", "/accounts/a1/contacts", person("bombed@victim.example.org"), token=eve)
    assert again.status == 429
    assert written() == before


def test_staff_and_keys_are_not_limited(service: Service, eve: str) -> None:
    for number in range(12):
        added = service.ask("POST", "/accounts/a1/contacts", person(f"bombed+{number}@victim.example.org"))
        assert added.status == 201, added.text
    assert len(emails("queued", "contact_added")) == 12
    assert not [row for row in rows() if row["PK"]["S"].startswith("LIMIT#portal")]


def test_one_person_causes_few_emails_whomever_they_go_to(service: Service, eve: str) -> None:
    added = [
        service.ask("POST", "/accounts/a1/contacts", person(f"p{number}@else{number}.example"), token=eve)
        for number in range(31)
    ]
    assert [one.status for one in added] == [201] * 30 + [429]
    assert added[-1].json["code"] in ("too_many_contacts", "too_many_emails")


def test_the_contacts_of_a_day_are_counted_for_the_account(service: Service, eve: str) -> None:
    service.put("/entities/acme", contact_mails={"contact_added": False})
    others = [eve, portal(service, "mo@customer.example", ["contacts"])]
    added = [
        service.ask("POST", "/accounts/a1/contacts", person(f"p{number}@else.example"), token=others[number % 2])
        for number in range(31)
    ]
    assert [one.status for one in added] == [201] * 30 + [429]
    assert code(added[-1]) == (429, "too_many_contacts")
    assert 0 < int(added[-1].headers["retry-after"]) <= 24 * 3600 + 1
    service.clock.move(hours=24, seconds=1)
    fresh = portal(service, "al@customer.example", ["contacts"])
    assert service.ask("POST", "/accounts/a1/contacts", person("p31@else.example"), token=fresh).status == 201


def test_an_accounts_people_together_cause_few_emails(service: Service, eve: str) -> None:
    people = [portal(service, f"u{number}@customer.example", ["contacts"]) for number in range(7)]
    contacts = [service.contact("/accounts/a1", f"Ann{number}") for number in range(18)]
    answers = []
    for number in range(70):
        path = f"/accounts/a1/contacts/{contacts[number // 4]['contact_id']}"
        roles = ["invoicing"] if number % 2 == 0 else []
        version = str(service.get(path)["version"])
        answers.append(service.ask("PATCH", path, {"roles": roles}, token=people[number % 7], if_match=version))
        if answers[-1].status == 429:
            break
    assert len(answers) == 61
    assert code(answers[-1]) == (429, "too_many_emails")


@pytest.mark.parametrize(
    "change",
    [
        {"first_name": "Your invoice is overdue, pay at http://evil.example.com/pay"},
        {"first_name": "Pay at HTTPS://evil.example.com"},
        {"last_name": "www.evil.example.com"},
        {"last_name": "Pay at evil-pay.com/now"},
        {"last_name": "evil\uff0ecom"},
        {"first_name": "Write to eve@evil.example.com"},
        {"company": "http://evil.example.com"},
        {"job_title": "eve@evil.example.com"},
    ],
)
def test_names_of_people_hold_no_address(service: Service, eve: str, change: dict[str, str]) -> None:
    before = written()
    refused = service.ask("POST", "/accounts/a1/contacts", person(VICTIM, **change), token=eve)
    assert faults(refused) == [(next(iter(change)), "address_in_name")]
    assert written() == before


@pytest.mark.parametrize("name", ["St.John", "J.R.R. Tolkien", "O'Brien-Smith", "Dr. Meier", "Zoë", "Jr."])
def test_ordinary_names_are_taken(service: Service, eve: str, name: str) -> None:
    added = service.ask(
        "POST", "/accounts/a1/contacts", person(VICTIM, last_name=name, company="Booking.com B.V."), token=eve
    )
    assert added.status == 201, added.text


def test_a_name_that_the_vendor_wrote_stands_while_a_portal_user_changes_something_else(
    service: Service, eve: str
) -> None:
    box = service.ask(
        "POST",
        "/accounts/a1/contacts",
        {"kind": "mailbox", "display_name": "ap@customer.example", "email": "ap@customer.example"},
    )
    assert box.status == 201, box.text
    path = f"/accounts/a1/contacts/{box.json['contact_id']}"
    changed = service.ask("PATCH", path, {"job_title": "Desk"}, token=eve, if_match="1")
    assert changed.status == 200, changed.text
    renamed = service.ask("PATCH", path, {"display_name": "pay@evil.example"}, token=eve, if_match="2")
    assert faults(renamed) == [("display_name", "address_in_name")]
