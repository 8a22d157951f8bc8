from typing import Any, ClassVar
from urllib.parse import quote

import pytest

from chalicelib.accounts.service import put_account
from tests.aws_calls import counted
from tests.integration.service import Service, code, faults, rows

BODY = {"entity_id": "acme", "name": "Müller & Söhne", "currency": "EUR"}


def test_created_with_what_is_needed(service: Service) -> None:
    made = service.ask("PUT", "/accounts/a1", BODY)
    assert (made.status, made.headers["etag"]) == (201, '"1"')
    expected: dict[str, Any] = {
        **BODY,
        "account_id": "a1",
        "payment_terms": {"kind": "due_on_receipt", "days": None},
        "country": None,
        "subdivision": None,
        "cost_center_billing": False,
        "locale": None,
        "time_zone": None,
        "version": 1,
    }
    assert expected.items() <= made.json.items()
    assert made.json["overrides"] == []
    empty = {"contact_ids": [], "minimum": 0, "maximum": 5, "complete": False, "reachable": False}
    coverage = {"invoicing": empty, "accounts_payable": empty}
    found = service.get("/accounts/a1")
    assert {**expected, "role_coverage": coverage, "differences": {}}.items() <= found.items()


def test_what_is_needed_is_named(service: Service) -> None:
    assert sorted(faults(service.ask("PUT", "/accounts/a1", {}))) == [
        ("currency", "required"),
        ("entity_id", "required"),
        ("name", "required"),
    ]


def test_an_unknown_entity_is_refused(service: Service) -> None:
    before = rows()
    assert faults(service.ask("PUT", "/accounts/a1", {**BODY, "entity_id": "none"})) == [
        ("entity_id", "unknown_entity")
    ]
    assert rows() == before
    account = service.account()
    assert faults(service.ask("PUT", account, {"entity_id": "none"})) == [("entity_id", "unknown_entity")]
    service.entity("beta")
    assert service.put(account, entity_id="beta")["entity_id"] == "beta"


def test_absent_stays_and_null_clears(service: Service) -> None:
    account = service.account(country="US", subdivision="US-CA", payment_terms={"kind": "net", "days": 30})
    changed = service.put(account, name="Other", subdivision=None, payment_terms=None)
    assert (changed["name"], changed["country"], changed["subdivision"]) == ("Other", "US", None)
    assert changed["payment_terms"] == {"kind": "due_on_receipt", "days": None}
    assert service.get(account)["differences"] == {}


def test_the_same_again_writes_nothing(service: Service) -> None:
    account = service.account(country="US", payment_terms={"kind": "net", "days": 30})
    before = rows()
    with counted() as calls:
        again = service.ask(
            "PUT", account, {"country": "us", "payment_terms": {"kind": "net", "days": 30}, "name": " Customer "}
        )
    assert (again.status, again.headers["etag"], calls.writes) == (200, '"1"', 0)
    assert rows() == before


def test_a_stale_version_is_refused(service: Service) -> None:
    account = service.account()
    service.put(account, name="Second")
    before = rows()
    stale = service.ask("PUT", account, {"name": "Third"}, if_match="1")
    assert (code(stale), stale.json["details"]) == ((409, "stale_version"), {"current_version": 2})
    assert code(service.ask("PUT", "/accounts/none", BODY, if_match="1")) == (409, "stale_version")
    assert rows() == before


def test_what_contradicts_itself_is_refused(service: Service) -> None:
    account = service.account()
    before = rows()
    assert faults(service.ask("PUT", account, {"payment_terms": {"kind": "net"}})) == [
        ("payment_terms.days", "required")
    ]
    assert faults(service.ask("PUT", account, {"subdivision": "US-CA"})) == [("subdivision", "bad_subdivision")]
    assert rows() == before


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_listed_in_order_each_once(service: Service, limit: int) -> None:
    for account_id in ("c", "A", "b", "a"):
        service.account(account_id)
    assert [one["account_id"] for one in service.all_of("/accounts", limit)] == ["A", "a", "b", "c"]


def test_a_cursor_opens_only_the_list_it_came_from(service: Service) -> None:
    for account_id in ("a", "b", "c"):
        service.account(account_id)
    cursor = service.get("/accounts?limit=1")["next_cursor"]
    assert code(service.ask("GET", f"/accounts?q=customer&cursor={cursor}")) == (422, "invalid")
    other = service.another_key("other")
    assert code(service.ask("GET", f"/accounts?limit=1&cursor={cursor}", token=other)) == (422, "invalid")


class TestByName:
    NAMES: ClassVar[dict[str, str]] = {
        "a1": "Blue Bird Bakery",
        "a2": "Bäckerei Blaubart GmbH",
        "a3": "株式会社 山田商店",
        "a4": "Bluebell Blues Blue",
        "a5": "Ελλάδα ΑΕ",
        "a6": "कंपनी लिमिटेड",
        "a7": "3M Deutschland",
        "a8": "X",
    }

    @pytest.fixture
    def named(self, service: Service) -> Service:
        for account_id, name in self.NAMES.items():
            service.account(account_id, name=name)
        return service

    @pytest.mark.parametrize("limit", [1, 3, 100])
    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            ("blue", ["a1", "a4"]),
            ("BIRD", ["a1"]),
            ("bak", ["a1"]),
            ("back", ["a2"]),
            ("bäck", ["a2"]),
            ("bird blue", ["a1"]),
            ("blue bak", ["a1"]),
            ("blue nothing", []),
            ("akery", []),
            ("山田", ["a3"]),
            ("株", ["a3"]),
            ("商店", []),
            ("ελλ", ["a5"]),
            ("ΕΛΛΆΔΑ", ["a5"]),
            ("कंप", ["a6"]),
            ("3m", ["a7"]),
            ("3m d", ["a7"]),
            ("bl b", ["a1", "a2", "a4"]),
        ],
    )
    def test_by_the_beginnings_of_words(self, named: Service, wanted: str, found: list[str], limit: int) -> None:
        told = [one["account_id"] for one in named.all_of(f"/accounts?q={quote(wanted)}", limit)]
        assert sorted(told) == found

    def test_a_new_name_is_found_and_the_old_one_is_not(self, named: Service) -> None:
        named.put("/accounts/a1", name="Red Bird")
        assert named.all_of("/accounts?q=bakery") == []
        assert not [row for row in rows() if row["SK"]["S"] == "bakery#a1"]
        assert [one["name"] for one in named.all_of("/accounts?q=red")] == ["Red Bird"]
        assert [one["name"] for one in named.all_of("/accounts?q=bird")] == ["Red Bird"]

    @pytest.mark.parametrize("wanted", ["b", "%20", "-", "b%20x"])
    def test_too_little_is_refused(self, named: Service, wanted: str) -> None:
        assert faults(named.ask("GET", f"/accounts?q={wanted}")) == [("q", "too_short")]

    def test_one_letter_of_a_script_without_case_beside_one_that_says_too_little(self, named: Service) -> None:
        named.account("a9", name="B 株")
        assert [one["account_id"] for one in named.all_of("/accounts?q=b%20%E6%A0%AA")] == ["a9"]


class TestByEmail:
    def test_accounts_with_an_active_contact_of_that_email(self, service: Service) -> None:
        for number in range(1, 5):
            account = service.account(f"a{number}")
            service.contact(account, "Ann")
            service.contact(account, f"Bee{number}")
        for limit in (1, 2, 100):
            found = service.all_of("/accounts?email=ANN@example.com", limit)
            assert [one["account_id"] for one in found] == ["a1", "a2", "a3", "a4"]
        assert [one["account_id"] for one in service.all_of("/accounts?email=bee2@example.com")] == ["a2"]
        assert service.all_of("/accounts?email=cid@example.com") == []

    def test_an_inactive_contact_is_not_found(self, service: Service) -> None:
        account = service.account()
        contact = service.contact(account, "Ann")
        address = f"{account}/contacts/{contact['contact_id']}"
        assert service.ask("DELETE", address).status == 204
        assert service.all_of("/accounts?email=ann@example.com") == []
        service.ask("POST", f"{address}/restore")
        assert len(service.all_of("/accounts?email=ann@example.com")) == 1

    def test_an_address_that_was_changed_is_not_found(self, service: Service) -> None:
        account = service.account()
        contact = service.contact(account, "Ann")
        service.patch(f"{account}/contacts/{contact['contact_id']}", email="new@example.com")
        assert service.all_of("/accounts?email=ann@example.com") == []
        assert len(service.all_of("/accounts?email=new@example.com")) == 1

    def test_by_name_or_by_email(self, service: Service) -> None:
        assert faults(service.ask("GET", "/accounts?q=blue&email=a@example.com")) == [("q", "not_together")]
        assert faults(service.ask("GET", "/accounts?email=nonsense")) == [("email", "bad_email")]


class TestTwoSides:
    """A value that was changed here, and the billing system (DESIGN §5)."""

    @pytest.fixture
    def account(self, service: Service) -> str:
        address = service.account(name="Theirs", country="DE")
        put_account(service.context, "a1", {"name": "Ours"})
        return address

    def test_the_difference_is_shown(self, service: Service, account: str) -> None:
        found = service.get(account)
        assert (found["name"], found["differences"]) == ("Ours", {"name": "Theirs"})

    def test_it_stands_while_the_old_one_is_repeated(self, service: Service, account: str) -> None:
        before = rows()
        repeated = service.put(account, name="Theirs", country="DE")
        assert (repeated["name"], repeated["overrides"]) == ("Ours", [])
        assert rows() == before

    def test_another_one_is_taken_and_told(self, service: Service, account: str) -> None:
        taken = service.put(account, name="Newest", country="AT")
        assert (taken["name"], taken["country"]) == ("Newest", "AT")
        assert taken["overrides"] == [{"field": "name", "value_here": "Ours", "value_brought": "Newest"}]
        assert service.get(account)["differences"] == {}
        assert service.put(account, name="Newest")["overrides"] == []
        assert service.all_of("/accounts?q=ours") == []
