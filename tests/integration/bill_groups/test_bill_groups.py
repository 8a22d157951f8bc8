from typing import Any, ClassVar

import pytest

from tests.aws_calls import counted
from tests.integration.service import Service, code, faults, rows

IDS = {"account_id": "a1", "entity_id": "acme"}


@pytest.fixture
def account(service: Service) -> str:
    return service.account()


@pytest.fixture
def group(service: Service, account: str) -> str:
    return service.bill_group("b1", account)


def test_created_read_and_changed_in_part(service: Service, account: str) -> None:
    body = {
        "name": "Main",
        "po_number": "PO-1",
        "vat_number": "DE136695976",
        "registration_number": "HRB 1",
        "billing_address": {"line1": "Weg 1", "line2": None, "city": "Köln", "region": None}
        | {"postal_code": "50667", "country": "DE"},
        "billing_frequency": "monthly",
        "next_billing_date": "2026-02-28",
        "auto_pay": True,
        "contract_start": "2026-01-01",
        "contract_end": "2026-12-31",
    }
    made = service.ask("PUT", "/bill-groups/b1", {**IDS, **body})
    assert (made.status, made.headers["etag"]) == (201, '"1"')
    found = service.get("/bill-groups/b1")
    assert {name: found[name] for name in body} == body
    changed = service.put("/bill-groups/b1", po_number="PO-2", contract_end=None, billing_address=None)
    assert (changed["po_number"], changed["contract_end"], changed["billing_address"]) == ("PO-2", None, None)
    assert (changed["name"], changed["contract_start"], changed["version"]) == ("Main", "2026-01-01", 2)


def test_account_and_entity_must_be_there(service: Service, account: str) -> None:
    before = rows()
    assert sorted(faults(service.ask("PUT", "/bill-groups/b1", {}))) == [
        ("account_id", "required"),
        ("entity_id", "required"),
        ("name", "required"),
    ]
    for name in IDS:
        refused = service.ask("PUT", "/bill-groups/b1", {**IDS, "name": "Main", name: "none"})
        assert faults(refused) == [(name, "unknown")]
    assert rows() == before


def test_it_never_moves(service: Service, group: str) -> None:
    service.account("a2")
    service.entity("beta")
    before = rows()
    for given in ({"account_id": "a2"}, {"entity_id": "beta"}, {"account_id": None}):
        refused = service.ask("PUT", group, {"name": "New", **given})
        assert (code(refused), faults(refused)) == ((409, "bill_group_is_fixed"), [(next(iter(given)), "fixed")])
    assert rows() == before
    assert service.put(group, **IDS, name="New")["name"] == "New"
    assert faults(service.ask("PATCH", group, {"account_id": "a1"}, if_match="2")) == [("account_id", "unknown_field")]


def test_contract_dates(service: Service, group: str) -> None:
    service.put(group, contract_start="2026-06-01")
    assert faults(service.ask("PUT", group, {"contract_end": "2026-05-31"})) == [("contract_end", "too_early")]
    assert service.put(group, contract_end="2026-06-01")["contract_end"] == "2026-06-01"


def test_the_same_again_writes_nothing(service: Service, account: str) -> None:
    contact = service.contact(account, "Ann", "invoicing")
    body = {
        **IDS,
        "name": "Main",
        "billing_contact_id": contact["contact_id"],
        "invoicing_contact_ids": [contact["contact_id"]],
        "next_billing_date": "2026-02-28",
        "shipping_address": {"city": "Köln"},
    }
    service.put("/bill-groups/b1", **body)
    before = rows()
    with counted() as calls:
        again = service.ask("PUT", "/bill-groups/b1", body)
    assert (again.status, again.headers["etag"], calls.writes) == (200, '"1"', 0)
    assert rows() == before


def test_versions(service: Service, group: str) -> None:
    assert code(service.ask("PATCH", group, {"name": "New"})) == (428, "if_match_required")
    assert service.ask("PATCH", group, {"name": "New"}, if_match="1").headers["etag"] == '"2"'
    before = rows()
    for method in ("PATCH", "PUT"):
        assert code(service.ask(method, group, {"name": "Newer"}, if_match="1")) == (409, "stale_version")
    assert code(service.ask("PATCH", "/bill-groups/none", {"name": "x"}, if_match="1")) == (404, "not_found")
    assert rows() == before


class TestContacts:
    def test_billing_and_shipping_contact_are_active_contacts_of_the_account(
        self, service: Service, account: str, group: str
    ) -> None:
        other = service.account("a2")
        foreign = service.contact(other, "Foreign")["contact_id"]
        gone = service.contact(account, "Gone")["contact_id"]
        service.ask("DELETE", f"{account}/contacts/{gone}")
        before = rows()
        for contact_id in (foreign, gone, "con_01JABCDEFGHJKMNPQRSTVWXYZ0"):
            for field in ("billing_contact_id", "shipping_contact_id"):
                assert faults(service.ask("PUT", group, {field: contact_id})) == [(field, "unknown_contact")]
            refused = service.ask("PUT", "/bill-groups/b2", {**IDS, "name": "x", "billing_contact_id": contact_id})
            assert faults(refused) == [("billing_contact_id", "unknown_contact")]
        assert faults(service.ask("PUT", group, {"billing_contact_id": "ann"})) == [("billing_contact_id", "bad_id")]
        assert rows() == before

    def test_each_contact_knows_which_bill_groups_name_it(self, service: Service, account: str, group: str) -> None:
        ann, bee = (service.contact(account, name)["contact_id"] for name in ("Ann", "Bee"))
        service.bill_group("b2", account, billing_contact_id=ann, shipping_contact_id=ann)
        service.put(group, billing_contact_id=ann, shipping_contact_id=bee)

        def uses(contact_id: str) -> tuple[list[str], list[str]]:
            found = service.get(f"{account}/contacts/{contact_id}")
            return found["billing_for"], found["shipping_for"]

        assert uses(ann) == (["b1", "b2"], ["b2"])
        assert uses(bee) == ([], ["b1"])
        service.put(group, billing_contact_id=bee, shipping_contact_id=None)
        assert uses(ann) == (["b2"], ["b2"])
        assert uses(bee) == (["b1"], [])

    def test_narrowed_to_holders_of_the_role_only(self, service: Service, account: str, group: str) -> None:
        ann = service.contact(account, "Ann", "invoicing")["contact_id"]
        bee = service.contact(account, "Bee", "accounts_payable")["contact_id"]
        before = rows()
        for field, contact_id in (("invoicing_contact_ids", bee), ("accounts_payable_contact_ids", ann)):
            assert faults(service.ask("PUT", group, {field: [ann, bee]})) == [(field, "not_a_holder")]
            assert faults(service.ask("PATCH", group, {field: [contact_id]}, if_match="1")) == [(field, "not_a_holder")]
        assert rows() == before
        narrowed = service.put(group, invoicing_contact_ids=[ann], accounts_payable_contact_ids=[bee])
        assert (narrowed["invoicing_contact_ids"], narrowed["accounts_payable_contact_ids"]) == ([ann], [bee])

    def test_who_lost_the_role_does_not_stop_other_changes(self, service: Service, account: str, group: str) -> None:
        ann = service.contact(account, "Ann", "invoicing")["contact_id"]
        bee = service.contact(account, "Bee")["contact_id"]
        service.put(group, invoicing_contact_ids=[ann])
        service.patch(f"{account}/contacts/{ann}", roles=[])
        assert service.put(group, billing_contact_id=bee)["billing_contact_id"] == bee


def test_a_change_here_stands_until_another_value_is_brought(service: Service, group: str) -> None:
    service.put(group, po_number="PO-1", auto_pay=None)
    patched = service.patch(group, po_number="PO-ours", billing_address={"city": "Köln"})
    assert patched["overrides"] == []
    assert service.get(group)["differences"] == {"po_number": "PO-1"}
    before = rows()
    repeated = service.put(group, **IDS, name="Group", po_number="PO-1", auto_pay=None)
    assert (repeated["po_number"], repeated["overrides"]) == ("PO-ours", [])
    assert rows() == before
    taken = service.put(group, po_number="PO-2", auto_pay=True)
    assert taken["overrides"] == [{"field": "po_number", "value_here": "PO-ours", "value_brought": "PO-2"}]
    assert service.get(group)["differences"] == {}


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_listed_by_account_in_order(service: Service, account: str, limit: int) -> None:
    other = service.account("a2")
    for bill_group_id in ("c", "a", "b"):
        service.bill_group(bill_group_id, account)
    service.bill_group("z", other)
    found = service.all_of(f"{account}/bill-groups", limit)
    assert [one["bill_group_id"] for one in found] == ["a", "b", "c"]
    assert code(service.ask("GET", "/accounts/none/bill-groups")) == (404, "not_found")


class TestSubscriptions:
    BODY: ClassVar[dict[str, Any]] = {
        "name": "Phone",
        "status": "active",
        "quantity": "12.5",
        "unit_amount": 999,
        "currency": "EUR",
        "billing_frequency": "monthly",
        "start_date": "2026-01-01",
    }

    def test_created_read_changed_and_deleted(self, service: Service, group: str) -> None:
        address = f"{group}/subscriptions/s1"
        made = service.ask("PUT", address, self.BODY)
        assert (made.status, made.headers["etag"]) == (201, '"1"')
        found = service.get(address)
        assert {name: found[name] for name in self.BODY} == self.BODY
        assert (found["account_id"], found["bill_group_id"]) == ("a1", "b1")
        changed = service.put(address, status="paused", quantity=None)
        assert changed == {**found, "status": "paused", "quantity": None, "version": 2}
        before = rows()
        with counted() as calls:
            assert service.put(address, status="paused")["version"] == 2
        assert (calls.writes, rows()) == (0, before)
        assert service.ask("DELETE", address).status == 204
        assert code(service.ask("GET", address)) == (404, "not_found")
        assert code(service.ask("DELETE", address)) == (404, "not_found")

    def test_what_is_wrong_is_named(self, service: Service, group: str) -> None:
        address = f"{group}/subscriptions/s1"
        assert sorted(faults(service.ask("PUT", address, {}))) == [("name", "required"), ("status", "required")]
        for given, fault in (
            ({"currency": None}, ("currency", "required")),
            ({"unit_amount": None}, ("currency", "required")),
            ({"end_date": "2025-12-31"}, ("end_date", "too_early")),
            ({"status": "on"}, ("status", "unknown_value")),
        ):
            assert faults(service.ask("PUT", address, {**self.BODY, **given})) == [fault]
        assert code(service.ask("GET", address)) == (404, "not_found")

    @pytest.mark.parametrize("limit", [1, 2, 100])
    def test_listed_in_order(self, service: Service, account: str, group: str, limit: int) -> None:
        other = service.bill_group("b2", account)
        for name in ("c", "a", "b"):
            service.put(f"{group}/subscriptions/{name}", **self.BODY)
        service.put(f"{other}/subscriptions/z", **self.BODY)
        found = service.all_of(f"{group}/subscriptions", limit)
        assert [one["subscription_id"] for one in found] == ["a", "b", "c"]
        assert code(service.ask("GET", "/bill-groups/none/subscriptions")) == (404, "not_found")

    def test_of_another_bill_group_is_404_and_nothing_is_written(
        self, service: Service, account: str, group: str
    ) -> None:
        other = service.bill_group("b2", account)
        service.put(f"{group}/subscriptions/s1", **self.BODY)
        before = rows()
        assert code(service.ask("GET", f"{other}/subscriptions/s1")) == (404, "not_found")
        assert code(service.ask("DELETE", f"{other}/subscriptions/s1")) == (404, "not_found")
        assert code(service.ask("PUT", "/bill-groups/none/subscriptions/s1", self.BODY)) == (404, "not_found")
        assert rows() == before


@pytest.mark.parametrize(
    ("number", "country"),
    [
        ("ALD950921G27", "MX"),
        ("MAB-930714-8T4", "MX"),
        ("AU51824753556", "AU"),
        ("CHE-107.787.577", "CH"),
        ("NO995525828", "NO"),
        ("AR20-05536168-2", "AR"),
        ("SG10234567080", "MY"),
        ("EL094259216", "GR"),
    ],
)
def test_a_tax_number_of_any_country_is_taken_as_sent(service: Service, group: str, number: str, country: str) -> None:
    changed = service.put(group, vat_number=number, billing_address={"country": country})
    assert changed["vat_number"] == number


def test_a_tax_number_is_checked_by_the_letters_or_the_address(service: Service, group: str) -> None:
    service.put(group, billing_address={"country": "DE"})
    before = rows()
    refused = service.ask("PUT", group, {"vat_number": "136695977"})
    assert faults(refused) == [("vat_number", "bad_vat_number")]
    assert "Germany, the country of the address: its check digits do not fit" in refused.json["errors"][0]["message"]
    refused = service.ask("PUT", group, {"vat_number": "FR40303265046"})
    assert faults(refused) == [("vat_number", "bad_vat_number")]
    assert "France, the country of the letters" in refused.json["errors"][0]["message"]
    for name in ("vat_number", "registration_number"):
        assert faults(service.ask("PUT", group, {name: "n/a"})) == [(name, "placeholder")]
    assert rows() == before


def test_a_number_that_was_taken_hinders_no_other_change(service: Service, group: str) -> None:
    service.put(group, vat_number="SG10234567080", billing_address={"country": "MY"})
    assert service.put(group, billing_address={"country": "SG"}, po_number="7")["vat_number"] == "SG10234567080"
