"""Load the sample's invoices and payments, day by day as a billing system sends them, and wait for their PDFs."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from typing import Any, Protocol

from chalicelib import money

_PDFS_SECONDS = 120.0
_PAUSE_SECONDS = 0.3

Data = dict[str, Any]


class Api(Protocol):
    """The API calls that are needed here."""

    def put(self, path: str, body: Data) -> Data:
        """PUT a record and return it."""

    def get(self, path: str) -> Data:
        """GET a record."""

    def call(self, method: str, path: str, body: Data | None, idempotency_key: str | None) -> Data:
        """POST and return the reply."""


@dataclass(frozen=True)
class Event:
    """An event of an invoice or payment on a day (ISO 8601); ``happen`` returns the number of records created."""

    day: str
    happen: Callable[[Api], int]


def history(content: Data, groups: dict[str, Data]) -> list[Event]:
    """Return the events of the invoices of ``content`` in order of days: issue, later changes and payments.

    ``groups`` has the account, issuing entity and currency of each bill group. No email is sent.
    """
    events: list[Event] = []
    totals: dict[str, int] = {}
    for group_id, invoices in content["invoices"].items():
        for invoice in invoices:
            body = _body(invoice, group_id, groups[group_id]["currency"], content["taxes"])
            totals[invoice["id"]] = body["total"]
            events.append(Event(invoice["issued"], partial(_issue, invoice["id"], body)))
            for number, step in enumerate(invoice.get("then", ())):
                named = {**groups[group_id], "id": f"pay-{invoice['id']}-{number}"}
                events.append(Event(step["day"], partial(_then, invoice["id"], body["total"], named, step)))
    for payment in content["payments"]:
        spread = payment.get("allocations", {})
        allocations = {name: totals[name] if amount == "all" else amount for name, amount in spread.items()}
        events.append(Event(payment["day"], partial(_pay, payment, payment["amount"], payment["day"], allocations)))
    # Events of one day keep their order.
    return sorted(events, key=lambda event: event.day)


def everything(api: Api, events: Iterable[Event]) -> int:
    """Run all ``events``, and return the number of records."""
    return sum(event.happen(api) for event in events)


def wait_for_pdfs(api: Api, content: Data) -> bool:
    """Wait until every invoice of ``content`` has its PDF, and tell whether all have."""
    waiting = [invoice["id"] for invoices in content["invoices"].values() for invoice in invoices]
    deadline = time.monotonic() + _PDFS_SECONDS
    while waiting and time.monotonic() < deadline:
        if api.get(f"/v1/invoices/{waiting[-1]}")["pdf"]["state"] == "ready":
            waiting.pop()
        else:
            time.sleep(_PAUSE_SECONDS)
    return not waiting


def _body(invoice: Data, group_id: str, currency: str, taxes: Data) -> Data:
    """Return the request body with all sums computed: a tax is rounded on the sum of its lines."""
    digits = money.minor_unit_digits(currency)
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


def _issue(invoice_id: str, body: Data, api: Api) -> int:
    api.put(f"/v1/invoices/{invoice_id}", body)
    return 1


def _then(invoice_id: str, total: int, payment: Data, step: Data, api: Api) -> int:
    """Apply one later event to an invoice, and return the number of records created."""
    path = f"/v1/invoices/{invoice_id}"
    match step:
        case {"paid": amount, "day": day}:
            amount = total if amount == "all" else amount
            # An overpayment stays unallocated.
            return _pay({**payment, **step}, amount, day, {invoice_id: min(amount, total)}, api)
        case {"dispute": reason, "day": _, **details}:
            api.put(f"{path}/dispute", {"reason": reason, **details})
        case {"void": True}:
            api.call("POST", f"{path}/void", {}, f"sample.void.{invoice_id}")
        case {"uncollectible": True}:
            api.call("POST", f"{path}/uncollectible", {}, f"sample.uncollectible.{invoice_id}")
    return 0


def _pay(payment: Data, amount: int, day: str, allocations: dict[str, int], api: Api) -> int:
    body = {
        "entity_id": payment["entity_id"],
        "currency": payment["currency"],
        "amount": amount,
        "received_on": day,
        "method": payment["method"],
        "reference": payment["reference"],
        "allocations": [{"invoice_id": name, "amount": part} for name, part in allocations.items()],
    }
    api.put(f"/v1/accounts/{payment['account_id']}/payments/{payment['id']}", body)
    return 1


def _rounded(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), ROUND_HALF_UP))
