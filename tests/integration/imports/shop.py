"""A small made-up shop of the shape of the sample database: customers, invoices, and their lines in a second file."""

from typing import Any

from chalicelib.config import settings
from chalicelib.imports import files, service
from chalicelib.imports.inputs import Mapping
from chalicelib.imports.rules import Import
from tests.aws import client
from tests.integration.imports.imports import ACCOUNTS, CALL, imported, mapping, run

CUSTOMERS = "id,name,days\nc1,Uno,30\nc2,Due,14\nc3,Tre,7\n"
INVOICES = (
    "InvoiceId,CustomerId,InvoiceDate,Total\n"
    "1,c1,2021-01-31 00:00:00,1.98\n"
    "2,c2,2021-02-01 00:00:00,5.94\n"
    "3,c3,2021-02-01 00:00:00,0.00\n"
)
LINES = (
    "InvoiceLineId,InvoiceId,TrackId,UnitPrice,Quantity\n"
    "1,1,2,0.99,1\n"
    "2,2,4,1.99,2\n"
    "3,1,4,0.99,1\n"
    "4,3,7,0.00,1\n"
    "5,2,9,0.49,4\n"
)
FIELDS = {
    "invoice_id": {"template": "i-{InvoiceId}"},
    "bill_group_id": {"column": "CustomerId"},
    "number": {"template": "CH-{InvoiceId}"},
    "issue_date": {"column": "InvoiceDate", "date": "%Y-%m-%d %H:%M:%S"},
    "currency": {"constant": "USD"},
    "total": {"column": "Total", "minor_units": {"currency": "USD"}},
}
LINE_FIELDS = {
    "description": {"template": "Track {TrackId}"},
    "product_code": "TrackId",
    "quantity": "Quantity",
    "unit_price": "UnitPrice",
}
LINES_OF = {"join": {"InvoiceId": "InvoiceId"}, "fields": LINE_FIELDS}
JOINED: dict[str, Any] = {"kind": "invoices", "fields": FIELDS, "lines": LINES_OF}
PAYMENT: dict[str, Any] = {
    "kind": "payments",
    "fields": {
        "payment_id": "id",
        "account_id": "account",
        "amount": {"column": "amount", "minor_units": {"currency": "USD"}},
        "currency": {"constant": "USD"},
        "received_on": "on",
        "reference": "text",
        "allocations.0.invoice_id": {"column": "invoice", "on_bad": "refuse"},
        "allocations.0.amount": {"column": "paid", "minor_units": {"currency": "USD"}},
    },
}
GROUPS = {
    "kind": "bill_groups",
    "fields": {"bill_group_id": "id", "account_id": "id", "entity_id": {"constant": "acme"}, "name": "name"},
}
TERMS = {"payment_terms.kind": {"constant": "net"}, "payment_terms.days": "days"}
ACCOUNTS_WITH_TERMS = {**ACCOUNTS, "fields": {**ACCOUNTS["fields"], **TERMS, "currency": {"constant": "USD"}}}


def customers() -> None:
    """Bring the shop's customers: each an account with a bill group of its name."""
    found = imported(CUSTOMERS, mapping(ACCOUNTS_WITH_TERMS, GROUPS))
    assert found.refusals == ()


def prepare_two(
    first: str | bytes, second: str | bytes, wanted: Mapping, *, dry_run: bool = False, mail: bool = False
) -> str:
    """Make an import of two files, send both and start it; return its id."""
    made = service.create_import(CALL, wanted, dry_run=dry_run, mail=mail)
    for key, content in ((files.source_key(made.import_id), first), (files.lines_key(made.import_id), second)):
        raw = content.encode() if isinstance(content, str) else content
        client("s3").put_object(Bucket=settings().bucket_name, Key=key, Body=raw)
    service.start_import(CALL, made.import_id)
    return made.import_id


def imported_two(
    first: str | bytes = INVOICES,
    second: str | bytes = LINES,
    wanted: Mapping | None = None,
    *,
    dry_run: bool = False,
    mail: bool = False,
) -> Import:
    """Import two files and return the result."""
    return run(prepare_two(first, second, wanted or mapping(JOINED), dry_run=dry_run, mail=mail))
