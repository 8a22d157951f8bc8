"""Issuing invoices and credit notes: once, with figures that agree, as the parties are at that moment (I1, I2, C8)."""

from typing import Any

import pytest

from chalicelib.invoices import queries
from chalicelib.table import keys, store
from chalicelib.table.items import AccountBalanceItem, BillGroupBalanceItem
from tests.integration import people
from tests.integration.invoices.invoices import VAT, body, customer, line
from tests.integration.service import Service, code, faults, rows


@pytest.fixture
def account(service: Service) -> str:
    return customer(service)


def put(service: Service, invoice_id: str, sent: dict[str, Any], **headers: str) -> Any:
    return service.ask("PUT", f"/invoices/{invoice_id}", sent, **headers)


def balances() -> tuple[dict[str, int], dict[str, int]]:
    """Return what the rows of the balances of the account and the bill group say."""
    account = store.get_item(AccountBalanceItem, keys.account_balance("a1", "acme", "EUR"))
    group = store.get_item(BillGroupBalanceItem, keys.bill_group_balance("g1"))
    return (
        {
            "invoices": int(account.open_invoices) if account else 0,
            "open": int(account.open_balance) if account else 0,
            "unallocated": int(account.unallocated) if account else 0,
        },
        dict(group.open_balances) if group else {},
    )


def tasks(kind: str) -> list[str]:
    return [row["subject"]["S"] for row in rows() if row["PK"]["S"].startswith(f"WORK#{kind}")]


def test_an_invoice_is_issued_with_everything_that_follows(service: Service, account: str) -> None:
    answer = put(service, "i1", body(number="2026-001", po_number="PO 7"))
    assert answer.status == 201
    assert answer.headers["etag"] == '"1"'
    assert (answer.json["account_id"], answer.json["entity_id"]) == ("a1", "acme")
    assert (answer.json["net_total"], answer.json["tax_total"], answer.json["balance"]) == (10000, 2000, 12000)
    assert (answer.json["due_date"], answer.json["status"]) == ("2026-02-14", "open")
    assert answer.json["pdf"]["state"] == "pending"
    assert balances() == ({"invoices": 1, "open": 12000, "unallocated": 0}, {"EUR": 12000})
    assert tasks("document") == ["i1"]
    (event,) = [one for one in service.get(f"{account}/audit-events")["items"] if one["resource_id"] == "i1"]
    assert (event["action"], event["bill_group_id"]) == ("invoice.issued", "g1")
    whole = service.get("/invoices/i1")
    assert whole["tax_totals"] == [{**VAT, "taxable_amount": 10000, "amount": 2000, "exemption_reason": None}]
    assert {name: whole[name] for name in answer.json if name != "overrides"} == {
        name: value for name, value in answer.json.items() if name != "overrides"
    }


def test_characters_without_a_glyph_are_told_at_issue(service: Service, account: str) -> None:
    answer = put(service, "i1", body(number="1", note="ⴰⵣⴰ, ใบแจ้งหนี้ 🎉"))
    assert (answer.status, answer.json["pdf"]["missing_glyphs"]) == (201, ["ⴰ", "ⵣ"])
    assert service.get("/invoices/i1")["pdf"]["missing_glyphs"] == ["ⴰ", "ⵣ"]
    assert put(service, "i2", body(number="2")).json["pdf"]["missing_glyphs"] == []
    supplied = put(service, "i3", body(number="3", note="ⴰⵣⴰ", pdf="supplied"))
    assert supplied.json["pdf"]["missing_glyphs"] == []


def test_the_same_again_changes_nothing(service: Service, account: str) -> None:
    put(service, "i1", body())
    before = rows()
    for sent in (body(), body(net_total=10000, tax_total=2000), body(kind="invoice", prepaid=0), {"total": 12000}, {}):
        again = put(service, "i1", sent)
        assert (again.status, again.json["version"]) == (200, 1), again.text
    totals = [{**VAT, "taxable_amount": 10000, "amount": 2000}]
    assert put(service, "i1", body(tax_totals=totals, due_date="2026-02-14")).status == 200
    assert rows() == before


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"number": "2026-002"}, ["number"]),
        ({"issue_date": "2026-01-16"}, ["issue_date"]),
        ({"lines": [line(10000, details="More")]}, ["lines"]),
        ({"po_number": "PO"}, ["po_number"]),
        ({"note": "Thanks"}, ["note"]),
        ({"kind": "credit_note"}, ["kind"]),
        ({"pdf": "supplied"}, ["pdf"]),
        ({"bill_group_id": "other"}, ["bill_group_id"]),
        ({"currency": "USD", "prepaid": 5}, ["currency", "prepaid"]),
        ({"tax_totals": [{**VAT, "taxable_amount": 10000, "amount": 2001}]}, ["tax_totals"]),
    ],
)
def test_other_content_is_refused_by_name(
    service: Service, account: str, change: dict[str, Any], named: list[str]
) -> None:
    put(service, "i1", body())
    before = rows()
    answer = put(service, "i1", {**body(), **change})
    assert code(answer) == (409, "invoice_exists")
    assert faults(answer) == [(name, "differs") for name in named]
    assert rows() == before


def test_a_number_is_used_once_for_an_entity_whatever_its_case(service: Service, account: str) -> None:
    put(service, "i1", body("INV-1"))
    for kind in ("invoice", "credit_note"):
        answer = put(service, "i2", body("inv-1", kind=kind))
        assert code(answer) == (409, "number_taken")
        assert (faults(answer), answer.json["details"]) == ([("number", "number_taken")], {"invoice_id": "i1"})
    service.entity("other")
    service.put("/bill-groups/g2", account_id="a1", entity_id="other", name="Group")
    assert put(service, "i2", body("inv-1", bill_group_id="g2")).status == 201
    service.ask("POST", "/invoices/i1/void", {})
    assert code(put(service, "i3", body("INV-1"))) == (409, "number_taken")


def test_figures_that_disagree_are_refused_with_those_expected(service: Service, account: str) -> None:
    lines = [line(9999, quantity="2", unit_price="50"), line(5000)]
    answer = put(service, "i1", body(lines=lines, total=18000))
    assert code(answer) == (422, "figures_disagree")
    assert faults(answer) == [("lines.0.net_amount", "wrong_amount")]
    answer = put(service, "i1", body(total=12001, net_total=10001))
    assert faults(answer) == [("net_total", "wrong_amount"), ("total", "wrong_amount")]
    assert "Send 12000." in answer.json["errors"][1]["message"]


@pytest.mark.parametrize(
    ("currency", "price", "net", "tax"),
    [
        ("JPY", "1234.5", 1235, 247),
        ("EUR", "19.995", 2000, 400),
        ("KWD", "1.2345", 1235, 247),
        ("CLF", "1.23455", 12346, 2469),
    ],
)
def test_minor_units_are_those_of_the_currency(
    service: Service, account: str, currency: str, price: str, net: int, tax: int
) -> None:
    sent = body(currency=currency, lines=[{"description": "x", "unit_price": price, "taxes": [VAT]}], total=net + tax)
    answer = put(service, "i1", sent)
    assert answer.status == 201, answer.text
    assert service.get("/invoices/i1")["lines"][0]["net_amount"] == net
    assert answer.json["tax_total"] == tax


def test_what_is_needed_is_named_all_at_once(service: Service, account: str) -> None:
    answer = put(service, "i1", {})
    needed = ["bill_group_id", "number", "issue_date", "currency", "lines", "total"]
    assert faults(answer) == [(name, "required") for name in needed]
    assert faults(put(service, "i1", body(bill_group_id="none"))) == [("bill_group_id", "unknown_bill_group")]
    assert faults(put(service, "i1", body(currency="EURO"))) == [("currency", "bad_currency")]
    assert not [row for row in rows() if row["PK"]["S"].startswith("INVOICE#")]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"lines": [line(-100)], "total": -120}, [("total", "too_small")]),
        ({"prepaid": 12001}, [("prepaid", "too_large")]),
        ({"kind": "credit_note", "prepaid": 1}, [("prepaid", "not_allowed")]),
        ({"kind": "credit_note", "due_date": "2026-02-01"}, [("due_date", "not_allowed")]),
        ({"period_start": "2026-02-01", "period_end": "2026-01-01"}, [("period_end", "too_early")]),
        (
            {"lines": [line(10000, period_start="2026-02-01", period_end="2026-01-01")]},
            [("lines.0.period_end", "too_early")],
        ),
    ],
)
def test_contradictions_are_refused(
    service: Service, account: str, sent: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert faults(put(service, "i1", {**body(), **sent})) == expected


def test_the_due_date_follows_from_the_terms(service: Service, account: str) -> None:
    assert put(service, "i1", body()).json["due_date"] == "2026-02-14"
    assert put(service, "i2", body("2", due_date=None)).json["due_date"] is None
    assert put(service, "i3", body("3", due_date="2026-05-01")).json["due_date"] == "2026-05-01"
    customer(service, "a2", "g2", payment_terms={"kind": "due_on_receipt"})
    receipt = put(service, "i4", body("4", bill_group_id="g2")).json
    assert (receipt["due_date"], receipt["delivery_wanted"]) == ("2026-01-15", False)
    terms = [queries.get_invoice_with_content(one).content.payment_terms for one in ("i1", "i2", "i3", "i4")]
    assert [one.kind if one else None for one in terms] == ["net", None, None, "due_on_receipt"]


def test_only_invoices_on_net_terms_are_delivered_unless_requested(service: Service, account: str) -> None:
    assert put(service, "i1", body()).json["delivery_wanted"]
    assert not put(service, "i2", body("2", deliver=False)).json["delivery_wanted"]
    customer(service, "a2", "g2", payment_terms={"kind": "due_on_receipt"})
    assert put(service, "i3", body("3", bill_group_id="g2", deliver=True)).json["delivery_wanted"]


def test_the_parties_stand_as_they_were_at_issue(service: Service, account: str) -> None:
    service.put("/entities/acme", legal_name="Acme Ltd", tax_numbers=[{"kind": "VAT", "number": "GB980780684"}])
    address = {"line1": "1 High Street", "city": "York", "country": "GB"}
    contact = service.contact(account, "Ann", company="Holding Ltd", address=address)
    group = {"billing_contact_id": contact["contact_id"], "po_number": "PO-9", "billing_address": {"city": "Leeds"}}
    service.put("/bill-groups/g1", **group)
    put(service, "i1", body())
    service.put("/entities/acme", legal_name="Acme Holding")
    service.put("/bill-groups/g1", po_number="other", billing_contact_id=None)
    put(service, "i2", body("2"))
    service.put(account, name="Renamed")
    first, second = service.get("/invoices/i1"), service.get("/invoices/i2")
    assert (first["seller"]["legal_name"], second["seller"]["legal_name"]) == ("Acme Ltd", "Acme Holding")
    assert (first["po_number"], second["po_number"]) == ("PO-9", "other")
    assert (first["buyer"]["attention"], first["buyer"]["company"]) == ("Ann Test", "Holding Ltd")
    assert (first["buyer"]["address"]["city"], second["buyer"]["address"]["city"]) == ("York", "Leeds")
    assert (second["buyer"]["account_name"], second["buyer"]["attention"]) == ("Customer", None)
    said = queries.get_invoice_with_content("i1").content
    assert said.portal_url == service.get("/bill-groups/g1/portal-link")["url"]
    assert (said.locale, said.time_zone) == ("en-GB", "Europe/London")
    assert said.seller.tax_numbers[0].number == "GB980780684"


def test_an_invoice_may_have_no_po_number_though_its_bill_group_has(service: Service, account: str) -> None:
    service.put("/bill-groups/g1", po_number="PO-9")
    assert put(service, "i1", body(po_number=None)).json["po_number"] is None


def test_a_credit_note_is_owed_to_the_account(service: Service, account: str) -> None:
    answer = put(service, "c1", body("C1", kind="credit_note", preceding_numbers=["2026-001"]))
    assert (answer.json["kind"], answer.json["due_date"], answer.json["balance"]) == ("credit_note", None, 12000)
    assert balances() == ({"invoices": 0, "open": 0, "unallocated": 12000}, {})
    assert service.get("/invoices/c1")["preceding_numbers"] == ["2026-001"]


def test_what_was_prepaid_counts_from_the_beginning(service: Service, account: str) -> None:
    part = put(service, "i1", body(prepaid=2000)).json
    assert (part["status"], part["paid"], part["balance"]) == ("part_paid", 2000, 10000)
    whole = put(service, "i2", body("2", prepaid=12000)).json
    assert (whole["status"], whole["settled_on"], whole["balance"]) == ("paid", "2026-01-15", 0)
    nothing = put(service, "i3", body("3", lines=[line(0)], total=0)).json
    assert (nothing["status"], nothing["balance"]) == ("paid", 0)
    assert balances() == ({"invoices": 1, "open": 10000, "unallocated": 0}, {"EUR": 10000})


def test_a_pdf_that_is_supplied_is_waited_for(service: Service, account: str) -> None:
    assert put(service, "i1", body(pdf="supplied")).json["pdf"]["state"] == "awaited"
    assert tasks("document") == []


def test_a_due_date_changed_here_stands_until_the_billing_system_brings_another(service: Service, account: str) -> None:
    put(service, "i1", body(due_date="2026-02-14"))
    staff = people.staff(service, "kim@vendor.example", "agent")
    patched = service.ask("PATCH", "/invoices/i1", {"due_date": "2026-03-01"}, staff, if_match="1")
    assert (patched.status, patched.json["due_date"], patched.json["version"]) == (200, "2026-03-01", 2)
    again = put(service, "i1", body(due_date="2026-02-14"))
    assert (again.json["due_date"], again.json["overrides"]) == ("2026-03-01", [])
    another = put(service, "i1", body(due_date="2026-02-20")).json
    assert another["due_date"] == "2026-02-20"
    assert another["overrides"] == [{"field": "due_date", "value_here": "2026-03-01", "value_brought": "2026-02-20"}]
    actions = [one["action"] for one in service.get(f"{account}/audit-events")["items"]]
    assert actions.count("invoice.due_date_changed") == 2


def test_a_due_date_that_followed_from_the_terms_is_not_one_that_was_changed_here(
    service: Service, account: str
) -> None:
    put(service, "i1", body())
    answer = put(service, "i1", body(due_date="2026-02-20"))
    assert (answer.json["due_date"], answer.json["overrides"]) == ("2026-02-20", [])


def test_what_says_if_match_meets_the_version_that_it_names(service: Service, account: str) -> None:
    assert code(put(service, "i1", body(), if_match="1")) == (409, "stale_version")
    put(service, "i1", body())
    assert code(put(service, "i1", body(), if_match="2")) == (409, "stale_version")
    assert put(service, "i1", body(), if_match="1").status == 200


def test_large_invoices_are_stored_whole_and_larger_ones_refused(service: Service, account: str) -> None:
    many = [line(100, description=f"Call {number}", details="x" * 300) for number in range(1900)]
    sent = body(lines=many, total=1900 * 120)
    assert put(service, "i1", sent).status == 201
    shown = service.get("/invoices/i1")["lines"]
    assert [one["description"] for one in shown] == [one["description"] for one in many]
    answer = put(service, "i2", body("2", lines=[line(100, details="x" * 9000)] * 200, total=200 * 120))
    assert answer.status == 413


def test_hostile_text_is_stored_as_it_is_or_tidied_and_never_fails(service: Service, account: str) -> None:
    hostile = "<b>&amp;{{7*7}}</b> #let x = 1 \\ $x$ *_`@\u202e\u0001\u200d\U0001f4a9\ufeff\u0627\u05d0'\";--%s%n"
    sent = body(lines=[line(10000, description=hostile, details=hostile * 50)], note=hostile)
    assert put(service, "i1", sent).status == 201
    shown = service.get("/invoices/i1")
    tidy = hostile.replace("\u202e", "").replace("\u0001", "")
    assert (shown["lines"][0]["description"], shown["note"]) == (tidy, tidy)
    assert put(service, "i1", sent).json["version"] == 1


def test_an_idempotency_key_answers_the_first_reply(service: Service, account: str) -> None:
    first = put(service, "i1", body(), idempotency_key="k1")
    service.ask("POST", "/invoices/i1/void", {})
    again = put(service, "i1", body(), idempotency_key="k1")
    assert (first.status, again.status) == (201, 201)
    assert again.json["status"] == "void"


QR_REFERENCE = {"kind": "qrr", "value": "21 00000 00003 13947 14300 09017"}
QR_IBAN, ORDINARY_IBAN = "CH4431999123000889012", "CH9300762011623852957"
SWISS_ADDRESS = {"line1": "Gasse 1", "postal_code": "3011", "city": "Bern", "country": "CH"}


def test_a_payment_reference_is_kept_and_never_changes(service: Service, account: str) -> None:
    issued = put(service, "i1", body(payment_reference=QR_REFERENCE))
    told = {"kind": "qrr", "value": "210000000003139471430009017", "printed": QR_REFERENCE["value"]}
    assert (issued.status, issued.json["payment_reference"]) == (201, told)
    assert service.get("/invoices/i1")["payment_reference"] == told
    compact = {"kind": "qrr", "value": told["value"]}
    before = rows()
    assert put(service, "i1", body(payment_reference=compact)).status == 200
    assert put(service, "i1", body()).status == 200
    for other in ({"kind": "free", "value": "7"}, None):
        refused = put(service, "i1", body(payment_reference=other))
        assert code(refused) == (409, "invoice_exists")
        assert faults(refused) == [("payment_reference", "differs")]
    assert rows() == before


def test_a_wrong_payment_reference_is_refused(service: Service, account: str) -> None:
    before = rows()
    refused = put(service, "i1", body(payment_reference={"kind": "iso11649", "value": "RF19 5390 0754 7034"}))
    assert faults(refused) == [("payment_reference.value", "bad_payment_reference")]
    assert "its check digit does not fit" in refused.json["errors"][0]["message"]
    credit = put(service, "i1", body(kind="credit_note", payment_reference=QR_REFERENCE))
    assert faults(credit) == [("payment_reference", "not_allowed")]
    assert rows() == before


@pytest.mark.parametrize(
    ("iban", "reference", "currency", "address", "warnings"),
    [
        (QR_IBAN, None, "CHF", SWISS_ADDRESS, ["qr_reference_missing"]),
        (QR_IBAN, None, "EUR", SWISS_ADDRESS, ["qr_reference_missing"]),
        (QR_IBAN, QR_REFERENCE, "CHF", SWISS_ADDRESS, []),
        (QR_IBAN, QR_REFERENCE, "CHF", None, ["slip_address_missing"]),
        (ORDINARY_IBAN, QR_REFERENCE, "CHF", SWISS_ADDRESS, ["qr_iban_missing"]),
        (ORDINARY_IBAN, None, "CHF", SWISS_ADDRESS, []),
        (ORDINARY_IBAN, {"kind": "iso11649", "value": "RF18539007547034"}, "CHF", SWISS_ADDRESS, []),
    ],
)
def test_the_issue_says_what_is_missing_for_paying(
    service: Service,
    account: str,
    iban: str,
    reference: dict[str, str] | None,
    currency: str,
    address: dict[str, str] | None,
    warnings: list[str],
) -> None:
    service.put("/entities/acme", address=address, bank_details={"account_holder": "Acme", "iban": iban})
    issued = put(service, "i1", body(number="RE-2026-17", payment_reference=reference, currency=currency))
    assert [one["code"] for one in issued.json["warnings"]] == warnings
    again = put(service, "i1", body(number="RE-2026-17", payment_reference=reference, currency=currency))
    assert again.json["warnings"] == issued.json["warnings"] == service.get("/invoices/i1")["warnings"]


def test_an_invoice_due_before_its_issue_is_taken_with_a_warning(service: Service, account: str) -> None:
    issued = put(service, "i1", body(due_date="2026-01-14"))
    assert (issued.status, issued.json["due_date"]) == (201, "2026-01-14")
    assert [one["code"] for one in issued.json["warnings"]] == ["due_before_issue"]
    assert put(service, "i1", body(due_date="2026-01-14")).status == 200


def test_an_issue_date_far_ahead_is_taken_with_a_warning(service: Service, account: str) -> None:
    issued = put(service, "i1", body(issue_date="2062-01-15", due_date="2062-02-15"))
    assert [one["code"] for one in issued.json["warnings"]] == ["issued_in_future"]


def test_a_po_number_has_up_to_200_characters(service: Service, account: str) -> None:
    service.put("/bill-groups/g1", po_number="P" * 200)
    assert put(service, "i1", body()).json["po_number"] == "P" * 200
    assert put(service, "i2", body(number="2", po_number="Q" * 200)).json["po_number"] == "Q" * 200
    assert service.get(f"/invoices?po={'Q' * 200}")["items"][0]["invoice_id"] == "i2"
    assert put(service, "i3", body(number="3", po_number="Q" * 201)).status == 422


@pytest.mark.parametrize("currency", ["DEM", "XXX", "XTS", "XAU", "HRK"])
def test_what_is_no_currency_in_use_is_refused(service: Service, account: str, currency: str) -> None:
    assert faults(put(service, "i1", body(currency=currency))) == [("currency", "bad_currency")]
