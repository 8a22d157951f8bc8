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


def test_the_whole_entity_is_kept(service: Service) -> None:
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
