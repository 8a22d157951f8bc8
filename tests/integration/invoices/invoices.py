"""Invoices for tests: bodies whose figures agree, and a customer to send them to."""

from typing import Any

from tests.integration.service import Service

VAT = {"name": "VAT", "rate": "20", "category": "S"}


def line(net: int, **fields: Any) -> dict[str, Any]:
    """Return a line of ``net`` minor units, with 20% VAT."""
    return {"description": "Telephony", "net_amount": net, "taxes": [VAT], **fields}


def body(number: str = "2026-001", *nets: int, bill_group_id: str = "g1", **fields: Any) -> dict[str, Any]:
    """Return an invoice with a line for each net amount (one of 10000 without any), with 20% VAT on each sum."""
    nets = nets or (10000,)
    tax = (sum(nets) * 20 + 50) // 100
    return {
        "bill_group_id": bill_group_id,
        "number": number,
        "issue_date": "2026-01-15",
        "currency": "EUR",
        "lines": [line(net) for net in nets],
        "total": sum(nets) + tax,
        **fields,
    }


def customer(service: Service, account_id: str = "a1", group: str = "g1", **fields: Any) -> str:
    """Make an account on 30 days net with a bill group; return the path of the account."""
    account = service.account(account_id, **{"payment_terms": {"kind": "net", "days": 30}, **fields})
    service.bill_group(group, account)
    return account
