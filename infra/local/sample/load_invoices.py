"""Loads the sample's invoices and payments, as a billing system sends them, and waits until their PDFs are made."""

import time
from collections import defaultdict
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Protocol

from chalicelib import money

_PDFS_SECONDS = 120.0
_PAUSE_SECONDS = 0.3

Data = dict[str, Any]


class Api(Protocol):
    """The calls of the API that are needed here."""

    def put(self, path: str, body: Data) -> Data:
        """Create or change what the billing system names, and return it."""

    def get(self, path: str) -> Data:
        """Return what is there."""

    def call(self, method: str, path: str, body: Data | None, idempotency_key: str | None) -> Data:
        """Return the reply."""


def everything(api: Api, content: Data, groups: dict[str, Data]) -> int:
    """Issue the invoices of ``content``, let become of them what it says, and return how many things there are.

    ``groups`` says of each bill group its account, issuing entity and currency. Nothing is mailed.
    """
    issued: dict[str, Data] = {}
    for group_id, invoices in content["invoices"].items():
        for invoice in invoices:
            body = _body(invoice, group_id, groups[group_id]["currency"], content["taxes"])
            issued[invoice["id"]] = api.put(f"/v1/invoices/{invoice['id']}", body)
    count = len(issued)
    for group_id, invoices in content["invoices"].items():
        for invoice in invoices:
            for number, step in enumerate(invoice.get("then", ())):
                count += _then(api, groups[group_id], issued[invoice["id"]], f"pay-{invoice['id']}-{number}", step)
    for payment in content["payments"]:
        spread = payment.get("allocations", {})
        allocations = {name: issued[name]["total"] if amount == "all" else amount for name, amount in spread.items()}
        _pay(api, payment, payment["id"], payment["amount"], payment["day"], allocations)
        count += 1
    return count


def wait_for_pdfs(api: Api, content: Data) -> bool:
    """Wait until the PDF of every invoice of ``content`` is made, and tell whether all are."""
    waiting = [invoice["id"] for invoices in content["invoices"].values() for invoice in invoices]
    deadline = time.monotonic() + _PDFS_SECONDS
    while waiting and time.monotonic() < deadline:
        if api.get(f"/v1/invoices/{waiting[-1]}")["pdf"]["state"] == "ready":
            waiting.pop()
        else:
            time.sleep(_PAUSE_SECONDS)
    return not waiting


def _body(invoice: Data, group_id: str, currency: str, taxes: Data) -> Data:
    """Return what the API asks for, every sum worked out: a tax is rounded on the sum of its lines."""
    digits = money.digits(currency)
    lines: list[Data] = []
    taxable: dict[tuple[str, str, str | None], int] = defaultdict(int)
    exemptions = {}
    for quantity, text, price, tax in _lines(invoice):
        net = _rounded((Decimal(quantity) * Decimal(price)).scaleb(digits))
        named = []
        for one in taxes[tax]:
            named.append({name: value for name, value in one.items() if name != "exemption_reason"})
            key = (one["name"], one["rate"], one.get("category"))
            taxable[key] += net
            exemptions[key] = one.get("exemption_reason")
        lines.append(
            {"description": text, "quantity": quantity, "unit_price": price, "net_amount": net, "taxes": named}
        )
    totals = [
        {
            **{"name": name, "rate": rate, "category": category, "taxable_amount": base},
            "amount": _rounded(base * Decimal(rate) / 100),
            "exemption_reason": exemptions[name, rate, category],
        }
        for (name, rate, category), base in taxable.items()
    ]
    net_total = sum(taxed["net_amount"] for taxed in lines)
    tax_total = sum(total["amount"] for total in totals)
    return {
        "kind": invoice.get("kind", "invoice"),
        "bill_group_id": group_id,
        "number": invoice["number"],
        "issue_date": invoice["issued"],
        "currency": currency,
        "lines": lines,
        "tax_totals": totals,
        "net_total": net_total,
        "tax_total": tax_total,
        "total": net_total + tax_total,
        "preceding_numbers": [invoice["corrects"]] if "corrects" in invoice else [],
        "deliver": False,
        **({"note": invoice["note"]} if "note" in invoice else {}),
    }


def _lines(invoice: Data) -> Iterator[tuple[str, str, str, str]]:
    """Return quantity, text, price and tax of each line."""
    for line in invoice["lines"]:
        if isinstance(line, dict):
            for number in range(1, line["each"] + 1):
                yield line["quantity"], line["text"].replace("{n}", str(number)), line["price"], invoice["tax"]
        else:
            quantity, text, price, *tax = line
            yield quantity, text, price, tax[0] if tax else invoice["tax"]


def _then(api: Api, group: Data, invoice: Data, payment_id: str, step: Data) -> int:
    """Let one thing become of an invoice, and return how many things that made."""
    path = f"/v1/invoices/{invoice['invoice_id']}"
    match step:
        case {"paid": amount, "day": day}:
            amount = invoice["total"] if amount == "all" else amount
            # What was paid beyond the invoice stays unallocated.
            allocations = {invoice["invoice_id"]: min(amount, invoice["total"])}
            _pay(api, {**group, **step}, payment_id, amount, day, allocations)
            return 1
        case {"dispute": reason, **details}:
            api.put(f"{path}/dispute", {"reason": reason, **details})
        case {"void": True}:
            api.call("POST", f"{path}/void", {}, f"sample.void.{invoice['invoice_id']}")
        case {"uncollectible": True}:
            api.call("POST", f"{path}/uncollectible", {}, f"sample.uncollectible.{invoice['invoice_id']}")
    return 0


def _pay(api: Api, payment: Data, payment_id: str, amount: int, day: str, allocations: dict[str, int]) -> None:
    body = {
        "entity_id": payment["entity_id"],
        "currency": payment["currency"],
        "amount": amount,
        "received_on": day,
        "method": payment["method"],
        "reference": payment["reference"],
        "allocations": [{"invoice_id": name, "amount": part} for name, part in allocations.items()],
    }
    api.put(f"/v1/accounts/{payment['account_id']}/payments/{payment_id}", body)


def _rounded(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), ROUND_HALF_UP))
