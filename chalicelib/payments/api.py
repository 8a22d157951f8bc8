"""HTTP of payments, and of how credit notes are applied."""

from datetime import date, datetime
from typing import Any

from pydantic import Field

from chalicelib.api import Listing, Query, Reply, Request, Routes, View
from chalicelib.payments import credit_notes, queries, service
from chalicelib.payments.inputs import AllocationsBody, ApplicationsBody, PaymentBody, PaymentDetails, ReversalBody
from chalicelib.payments.rules import Payment

payments_routes = Routes("payments")


class AllocationView(View):
    """The amount allocated to an invoice."""

    invoice_id: str
    amount: int


class ReversalView(View):
    """Why a payment was reversed."""

    reason: str
    at: datetime
    by: str


class PaymentView(View):
    """A payment. Amounts are in minor units."""

    payment_id: str
    account_id: str
    entity_id: str
    currency: str
    amount: int
    received_on: date
    method: str | None
    reference: str | None
    note: str | None
    status: str = Field(description="received or reversed.")
    allocations: list[AllocationView]
    unallocated: int = Field(description="The unallocated amount. 0 once it is reversed.")
    reversal: ReversalView | None
    recorded_at: datetime
    version: int


class SettlementView(View):
    """What a payment or a credit note has settled of an invoice."""

    kind: str = Field(description="payment or credit_note.")
    id: str = Field(description="The payment's id, or the credit note's.")
    amount: int = Field(description="Of this invoice, in minor units of its currency.")
    settled_on: date
    method: str | None = Field(description="Of a payment.")
    reference: str | None = Field(description="Of a payment.")


class ApplicationsView(View):
    """A credit note and its allocations. Amounts are in minor units."""

    invoice_id: str
    currency: str
    total: int
    balance: int = Field(description="The remaining amount.")
    status: str
    applications: list[AllocationView]
    version: int


class PaymentsQuery(Query):
    """Which payments are listed."""

    unallocated: bool = Field(default=False, description="True: only those not all allocated, in order of their ids.")


def _payment_view(payment: Payment) -> PaymentView:
    fields = {name: getattr(payment, name) for name in PaymentView.model_fields if name != "allocations"}
    reversal = payment.reversal
    fields["reversal"] = ReversalView.model_validate(reversal, from_attributes=True) if reversal else None
    return PaymentView(**fields, allocations=_allocation_views(payment.allocations))


def _allocation_views(amounts: dict[str, int]) -> list[AllocationView]:
    return [AllocationView(invoice_id=invoice_id, amount=amount) for invoice_id, amount in sorted(amounts.items())]


@payments_routes.get(
    "/v1/accounts/{account_id}/payments",
    may="payments.read",
    query=PaymentsQuery,
    returns={200: Listing[PaymentView]},
    paged=True,
)
def list_payments(request: Request[None, PaymentsQuery]) -> Reply:
    """List an account's payments, most recent first."""
    found, after = queries.list_payments(
        request.path["account_id"],
        request.page.after,
        request.page.limit,
        unallocated=request.query.unallocated,
    )
    return Reply(Listing(items=[_payment_view(payment) for payment in found]), after=after)


@payments_routes.get(
    "/v1/accounts/{account_id}/payments/{payment_id}",
    may="payments.read",
    returns={200: PaymentView},
    tagged=True,
)
def get_payment(request: Request[None, None]) -> Reply:
    """Read a payment."""
    return _payment_reply(queries.get_payment(request.path["account_id"], request.path["payment_id"]))


@payments_routes.put(
    "/v1/accounts/{account_id}/payments/{payment_id}",
    may="payments.write",
    body=PaymentBody,
    returns={200: PaymentView, 201: PaymentView},
    raises=("payment_exists",),
    tagged=True,
    replay=get_payment,
)
def put_payment(request: Request[PaymentBody, None]) -> Reply:
    """Record a payment and allocate it to invoices. The rest stays unallocated.

    Repeating a payment with the same content changes nothing. Different content is rejected. Invoices must belong to
    the account, and to the payment's issuing entity and currency.
    """
    written = service.record_payment(
        request.context, request.path["account_id"], request.path["payment_id"], request.body.given()
    )
    return _payment_reply(written.payment, 201 if written.created else 200)


@payments_routes.post(
    "/v1/accounts/{account_id}/payments/{payment_id}/allocations",
    may="payments.write",
    body=AllocationsBody,
    returns={200: PaymentView},
    raises=("payment_reversed",),
    tagged=True,
    replay=get_payment,
)
def allocate(request: Request[AllocationsBody, None]) -> Reply:
    """Allocate more of a payment to invoices. An amount is added to what is already allocated."""
    given = request.body.given()["allocations"]
    return _payment_reply(
        service.allocate_payment(request.context, request.path["account_id"], request.path["payment_id"], given)
    )


@payments_routes.delete(
    "/v1/accounts/{account_id}/payments/{payment_id}/allocations/{settled_invoice_id}",
    may="payments.write",
    returns={204: None},
)
def deallocate(request: Request[None, None]) -> Reply:
    """Remove a payment's allocation from an invoice, which reopens. The amount becomes unallocated."""
    path = request.path
    service.deallocate_payment(request.context, path["account_id"], path["payment_id"], path["settled_invoice_id"])
    return Reply(status=204)


@payments_routes.post(
    "/v1/accounts/{account_id}/payments/{payment_id}/reversal",
    may="payments.write",
    body=ReversalBody,
    returns={200: PaymentView},
    tagged=True,
    replay=get_payment,
)
def reverse(request: Request[ReversalBody, None]) -> Reply:
    """Reverse a payment, for example after a returned direct debit. Its invoices reopen."""
    return _payment_reply(
        service.reverse_payment(
            request.context, request.path["account_id"], request.path["payment_id"], request.body.reason
        )
    )


def _rebuild(request: Request[Any, Any]) -> Reply:
    """Answer a repeated payment of an invoice."""
    return _payment_reply(queries.get_invoice_payment(request.path["invoice_id"], request.path["payment_id"]))


@payments_routes.post(
    "/v1/invoices/{invoice_id}/payments",
    may="payments.write",
    body=PaymentDetails,
    returns={201: PaymentView},
    raises=("not_an_invoice", "nothing_is_open"),
    tagged=True,
    replay=_rebuild,
)
def pay_invoice(request: Request[PaymentDetails, None]) -> Reply:
    """Record a payment for one invoice, with a generated id. Anything above its balance stays unallocated."""
    written = service.record_invoice_payment(request.context, request.path["invoice_id"], request.body.given())
    return _payment_reply(written.payment, 201)


@payments_routes.get(
    "/v1/invoices/{invoice_id}/payments",
    may="invoices.read",
    returns={200: Listing[SettlementView]},
    paged=True,
)
def list_settlements(request: Request[None, None]) -> Reply:
    """List what has settled an invoice: credit notes, then payments."""
    found, after = queries.list_settlements(request.path["invoice_id"], request.page.after, request.page.limit)
    return Reply(Listing(items=[_settlement_view(one) for one in found]), after=after)


def _settlement_view(one: queries.SettlementWithPayment) -> SettlementView:
    return SettlementView(
        kind=one.settlement.source_kind,
        id=one.settlement.source_id,
        amount=one.settlement.amount,
        settled_on=one.settlement.settled_on,
        method=one.payment.method if one.payment else None,
        reference=one.payment.reference if one.payment else None,
    )


@payments_routes.get(
    "/v1/invoices/{invoice_id}/applications",
    may="payments.read",
    returns={200: ApplicationsView},
    tagged=True,
)
def get_applications(request: Request[None, None]) -> Reply:
    """Read the invoices that a credit note was applied to."""
    return _credit_note_reply(credit_notes.get_credit_note(request.path["invoice_id"]))


@payments_routes.post(
    "/v1/invoices/{invoice_id}/applications",
    may="payments.write",
    body=ApplicationsBody,
    returns={200: ApplicationsView},
    raises=("not_a_credit_note", "credit_note_not_open"),
    tagged=True,
    replay=get_applications,
)
def apply(request: Request[ApplicationsBody, None]) -> Reply:
    """Apply a credit note to invoices. An amount is added to what is already applied."""
    given = request.body.given()["applications"]
    return _credit_note_reply(credit_notes.apply_credit_note(request.context, request.path["invoice_id"], given))


@payments_routes.delete(
    "/v1/invoices/{invoice_id}/applications/{settled_invoice_id}",
    may="payments.write",
    returns={204: None},
    raises=("not_a_credit_note", "credit_note_not_open"),
)
def withdraw(request: Request[None, None]) -> Reply:
    """Remove a credit note's allocation from an invoice, which reopens."""
    credit_notes.withdraw_credit_note(request.context, request.path["invoice_id"], request.path["settled_invoice_id"])
    return Reply(status=204)


def _credit_note_reply(credit_note: credit_notes.CreditNote) -> Reply:
    fields = {name: getattr(credit_note, name) for name in ApplicationsView.model_fields if name != "applications"}
    view = ApplicationsView(**fields, applications=_allocation_views(credit_note.applications))
    return Reply(view, version=credit_note.version)


def _payment_reply(payment: Payment, status: int = 200) -> Reply:
    return Reply(_payment_view(payment), status=status, version=payment.version)
