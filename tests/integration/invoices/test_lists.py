"""Lists of invoices: of a bill group, and across customers by number, PO number, status, overdue days and dispute."""

from typing import Any

import pytest

from chalicelib.invoices import lists
from tests.integration.invoices.invoices import body, customer
from tests.integration.service import Service, faults

LIMITS = (1, 2, 3, 100)
"""The page size: with any, the pages together are the same."""


def ids(service: Service, query: str, limit: int = 100) -> list[str]:
    return [one["invoice_id"] for one in service.all_of(f"/invoices{query}", limit)]


def issue(service: Service, invoice_id: str, issued: str, due: str | None, **fields: Any) -> None:
    sent = {**body(invoice_id, **fields), "issue_date": issued}
    if fields.get("kind") != "credit_note":
        sent["due_date"] = due
    service.put(f"/invoices/{invoice_id}", **sent)


@pytest.fixture
def invoices(service: Service) -> None:
    """Invoices of two customers at the issuing entity acme, and one of the entity other; today is 31 January 2026."""
    customer(service)
    customer(service, "a2", "g2")
    service.entity("other")
    service.put("/bill-groups/g3", account_id="a2", entity_id="other", name="Group")
    issue(service, "i1", "2025-11-01", "2025-12-01", po_number="PO 1")
    issue(service, "i2", "2025-12-01", "2025-12-31", bill_group_id="g2", po_number="po 1")
    issue(service, "i3", "2025-12-15", "2026-01-30", bill_group_id="g3", po_number="PO 1")
    issue(service, "i4", "2026-01-01", "2026-01-31")
    issue(service, "i5", "2026-01-02", "2026-03-01", bill_group_id="g2")
    issue(service, "i6", "2026-01-03", None)
    issue(service, "i7", "2025-10-01", "2025-10-02", prepaid=100)
    issue(service, "i8", "2025-09-01", "2025-09-02", prepaid=12000)
    issue(service, "i9", "2026-01-09", "2026-01-10", bill_group_id="g2", prepaid=12000)
    issue(service, "c1", "2026-01-05", None, kind="credit_note")


@pytest.mark.usefixtures("invoices")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["i7", "i1", "i2", "i3", "i4", "i5", "i6"]),
        ("?status=open", ["i1", "i2", "i3", "i4", "i5", "i6"]),
        ("?status=part_paid", ["i7"]),
        ("?status=paid", ["i9", "i8"]),
        ("?status=void", []),
        ("?entity=acme", ["i7", "i1", "i2", "i4", "i5", "i6"]),
        ("?entity=other", ["i3"]),
        ("?entity=nobody", []),
        ("?overdue_days=1", ["i7", "i1", "i2", "i3"]),
        ("?overdue_days=2", ["i7", "i1", "i2"]),
        ("?overdue_days=31", ["i7", "i1", "i2"]),
        ("?overdue_days=32&status=open", ["i1"]),
        ("?kind=credit_note", ["c1"]),
        ("?number=I3", ["i3"]),
        ("?number=i3&entity=acme", []),
        ("?number=none", []),
        ("?po=po%201", ["i1", "i2", "i3"]),
        ("?po=PO%201&entity=acme", ["i1", "i2"]),
        ("?po=none", []),
        ("?disputed=true", []),
    ],
)
def test_lists_across_customers(service: Service, query: str, expected: list[str]) -> None:
    assert {limit: ids(service, query, limit) for limit in LIMITS} == dict.fromkeys(LIMITS, expected)


@pytest.mark.usefixtures("invoices")
def test_lists_follow_what_becomes_of_an_invoice(service: Service) -> None:
    service.put("/invoices/i1/dispute", reason="amount")
    service.put("/invoices/i3/dispute", reason="amount")
    service.ask("POST", "/invoices/i2/void")
    service.ask("POST", "/invoices/i4/uncollectible")
    service.patch("/invoices/i5", due_date="2026-01-02")
    assert ids(service, "") == ["i7", "i1", "i5", "i3", "i6"]
    assert ids(service, "?overdue_days=1", 1) == ["i7", "i1", "i5", "i3"]
    assert ids(service, "?disputed=true", 1) == ["i1", "i3"]
    assert ids(service, "?disputed=true&entity=other") == ["i3"]
    assert (ids(service, "?status=void"), ids(service, "?status=uncollectible")) == (["i2"], ["i4"])
    service.ask("DELETE", "/invoices/i1/dispute")
    assert ids(service, "?disputed=true") == ["i3"]


@pytest.mark.usefixtures("invoices")
def test_what_is_overdue_is_so_where_the_account_is(service: Service) -> None:
    customer(service, "a4", "g4", time_zone="Pacific/Kiritimati")
    customer(service, "a5", "g5", time_zone="Pacific/Honolulu")
    service.clock.move(hours=9)
    issue(service, "east", "2026-01-01", "2026-01-31", bill_group_id="g4")
    issue(service, "west", "2026-01-01", "2026-01-31", bill_group_id="g5")
    assert ids(service, "?overdue_days=1") == ["i7", "i1", "i2", "i3", "east"]


@pytest.mark.usefixtures("invoices")
def test_a_bill_groups_invoices_stand_newest_first(service: Service) -> None:
    for limit in (1, 2, 100):
        found = service.all_of("/bill-groups/g1/invoices", limit)
        assert [one["invoice_id"] for one in found] == ["c1", "i6", "i4", "i1", "i7", "i8"]
    assert service.ask("GET", "/bill-groups/none/invoices").status == 404


@pytest.mark.usefixtures("invoices")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?number=1&po=1", ("po", "not_together")),
        ("?number=1&status=open", ("status", "not_together")),
        ("?disputed=true&overdue_days=1", ("status", "not_together")),
        ("?overdue_days=1&status=paid", ("overdue_days", "not_together")),
        ("?overdue_days=1&kind=credit_note", ("kind", "not_together")),
        ("?overdue_days=0", ("overdue_days", "too_small")),
        ("?disputed=false", ("disputed", "unknown_value")),
        ("?status=overdue", ("status", "unknown_value")),
    ],
)
def test_what_cannot_be_asked_is_refused(service: Service, query: str, expected: tuple[str, str]) -> None:
    assert faults(service.ask("GET", f"/invoices{query}")) == [expected]


@pytest.mark.usefixtures("invoices")
def test_with_too_many_entities_one_is_named(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MAX_ENTITIES", 1)
    assert faults(service.ask("GET", "/invoices")) == [("entity", "required")]
    assert ids(service, "?entity=other") == ["i3"]


@pytest.mark.usefixtures("invoices")
def test_an_index_that_lags_shows_no_old_state(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    from chalicelib.table import merged_query

    listed = merged_query._query_range("INVOICES#acme#open", " ", "~", 100, True, False)
    service.ask("POST", "/invoices/i1/void")
    monkeypatch.setattr(merged_query, "_query_range", lambda pk, *_: listed if pk == "INVOICES#acme#open" else [])
    assert "i1" not in ids(service, "?status=open&entity=acme")
    assert "i2" in ids(service, "?status=open&entity=acme")
