import pytest

from tests.aws_calls import counted
from tests.integration.service import ENTITY, Service, code, faults, rows


def test_created_read_and_changed_in_part(service: Service) -> None:
    made = service.ask("PUT", "/entities/beta", {**ENTITY, "name": "Beta", "website": "https://beta.example"})
    assert (made.status, made.headers["etag"]) == (201, '"1"')
    assert service.get("/entities/beta") == made.json
    changed = service.ask("PUT", "/entities/beta", {"name": "Beta Ltd", "website": None})
    assert (changed.status, changed.headers["etag"]) == (200, '"2"')
    assert changed.json == {**made.json, "name": "Beta Ltd", "website": None, "version": 2}


def test_what_is_needed_is_named(service: Service) -> None:
    refused = service.ask("PUT", "/entities/beta", {"name": "Beta"})
    needed = ["colour", "locale", "sender_email", "time_zone"]
    assert sorted(faults(refused)) == [(name, "required") for name in needed]
    assert faults(service.ask("PUT", "/entities/acme", {"name": None})) == [("name", "required")]


def test_the_whole_entity_is_stored(service: Service) -> None:
    whole = {
        **ENTITY,
        "legal_name": "Acme Ltd",
        "address": {"line1": "1 High St", "line2": None, "city": "London", "region": None, "postal_code": "N1"}
        | {"country": "GB"},
        "tax_numbers": [{"kind": "VAT", "number": "GB980780684"}],
        "registration_number": "123",
        "bank_details": {"account_holder": "Acme", "iban": "DE89370400440532013000", "bic": "DEUTDEFF"}
        | {"bank_name": None, "account_number": None, "routing_number": None},
        "sender_name": "Acme Billing",
        "reply_to": "help@acme.example",
        "support_email": "help@acme.example",
        "contact_cell_required": True,
        "contact_mails": {"contact_added": False, "role_changed": True, "contact_removed": True},
    }
    service.put("/entities/acme", **whole)
    found = service.get("/entities/acme")
    assert {name: found[name] for name in whole} == whole


def test_the_same_again_writes_nothing(service: Service) -> None:
    before = rows()
    with counted() as calls:
        again = service.ask("PUT", "/entities/acme", ENTITY)
    assert (again.status, again.headers["etag"], calls.writes) == (200, '"1"', 0)
    assert rows() == before


def test_a_stale_version_is_refused(service: Service) -> None:
    service.put("/entities/acme", name="Other")
    before = rows()
    stale = service.ask("PUT", "/entities/acme", {"name": "Third"}, if_match="1")
    assert code(stale) == (409, "stale_version")
    assert stale.json["details"] == {"current_version": 2}
    assert code(service.ask("PUT", "/entities/none", ENTITY, if_match="1")) == (409, "stale_version")
    assert rows() == before
    assert service.ask("PUT", "/entities/acme", {"name": "Third"}, if_match="2").status == 200


def test_unknown_is_404(service: Service) -> None:
    assert code(service.ask("GET", "/entities/none")) == (404, "not_found")


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_listed_in_order_each_once(service: Service, limit: int) -> None:
    for entity_id in ("c", "b", "a"):
        service.entity(entity_id)
    assert [one["entity_id"] for one in service.all_of("/entities", limit)] == ["a", "acme", "b", "c"]


def test_mail_is_off_until_it_goes_live(service: Service) -> None:
    found = service.get("/entities/acme")
    off = {"mode": "off", "pilot_account_ids": []}
    assert (found["invoice_mail"], found["reminder_mail"], found["live_from"]) == (off, off, None)
    assert found["invoice_addressing"] == "each"


def test_how_far_mail_has_gone_live_is_stored(service: Service) -> None:
    service.account("a1")
    service.account("a2")
    given = {
        "invoice_mail": {"mode": "pilot", "pilot_account_ids": ["a1", "a2"]},
        "reminder_mail": {"mode": "shadow", "pilot_account_ids": []},
        "live_from": "2026-02-01",
        "invoice_addressing": "together",
    }
    service.put("/entities/acme", **given)
    found = service.get("/entities/acme")
    assert {name: found[name] for name in given} == given
    service.put("/entities/acme", invoice_mail=None, reminder_mail=None, live_from=None, invoice_addressing=None)
    found = service.get("/entities/acme")
    assert (found["invoice_mail"]["mode"], found["live_from"], found["invoice_addressing"]) == ("off", None, "each")


@pytest.mark.parametrize("mail", ["invoice_mail", "reminder_mail"])
def test_nothing_goes_live_before_it_is_said_from_when_on(service: Service, mail: str) -> None:
    before = rows()
    refused = service.ask("PUT", "/entities/acme", {mail: {"mode": "live"}})
    assert faults(refused) == [("live_from", "required")]
    assert refused.json["errors"][0]["message"] == (
        "Send the day from which email is live. Invoices dated before it are never delivered, and reminded only after "
        "release."
    )
    pilot = {mail: {"mode": "pilot"}, "live_from": "2026-02-01"}
    assert faults(service.ask("PUT", "/entities/acme", pilot)) == [(f"{mail}.pilot_account_ids", "required")]
    assert faults(service.ask("PUT", "/entities/acme", {mail: {"mode": "on"}})) == [(f"{mail}.mode", "unknown_value")]
    assert rows() == before
    assert service.ask("PUT", "/entities/acme", {mail: {"mode": "live"}, "live_from": "2026-02-01"}).status == 200
    # What was live cannot lose its first day either.
    assert faults(service.ask("PUT", "/entities/acme", {"live_from": None})) == [("live_from", "required")]


def test_a_pilot_names_accounts_that_there_are(service: Service) -> None:
    service.account("a1")
    service.entity("other")
    before = rows()
    wrong = {
        "invoice_mail": {"mode": "pilot", "pilot_account_ids": ["nope"]},
        "reminder_mail": {"mode": "pilot", "pilot_account_ids": ["a1", "a-1"]},
        "live_from": "2026-02-01",
    }
    refused = service.ask("PUT", "/entities/acme", wrong)
    assert faults(refused) == [
        ("invoice_mail.pilot_account_ids[0]", "unknown_account"),
        ("reminder_mail.pilot_account_ids[1]", "unknown_account"),
    ]
    assert rows() == before
    # An account may owe several issuing entities.
    pilot = {"reminder_mail": {"mode": "pilot", "pilot_account_ids": ["a1"]}, "live_from": "2026-02-01"}
    for entity_id in ("acme", "other"):
        assert service.ask("PUT", f"/entities/{entity_id}", pilot).status == 200


def test_accounts_of_a_pilot_are_read_at_once_and_when_they_are_new(service: Service) -> None:
    ids = [f"a{number}" for number in range(3)]
    for one in ids:
        service.account(one)
    pilot = {"reminder_mail": {"mode": "pilot", "pilot_account_ids": ids}, "live_from": "2026-02-01"}
    with counted() as first:
        assert service.ask("PUT", "/entities/acme", pilot).status == 200
    with counted() as second:
        assert service.ask("PUT", "/entities/acme", {"name": "Other"}).status == 200
    assert first.reads == second.reads + 1


def test_tax_numbers_are_checked_by_kind_and_country(service: Service) -> None:
    before = rows()
    numbers = [
        {"kind": "VAT", "number": "GB980780685"},
        {"kind": "UTR", "number": "2955839661"},
        {"kind": "EORI", "number": "GB980780684000"},
        {"kind": "VAT", "number": "n/a"},
    ]
    wrong = {"tax_numbers": numbers[:3], "address": {"country": "GB"}}
    refused = service.ask("PUT", "/entities/acme", wrong)
    assert faults(refused) == [(f"tax_numbers.{at}.number", "bad_tax_number") for at in (0, 1)]
    refused = service.ask("PUT", "/entities/acme", {"tax_numbers": numbers, "registration_number": "unknown"})
    assert sorted(faults(refused)) == [("registration_number", "placeholder"), ("tax_numbers.3.number", "placeholder")]
    assert rows() == before
    right = [{"kind": "ABN", "number": "51 824 753 556"}, {"kind": "VAT", "number": "CHE-107.787.577 MWST"}]
    assert service.put("/entities/acme", tax_numbers=right, address={"country": "AU"})["tax_numbers"] == right
