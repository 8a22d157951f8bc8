"""What callers send of payments, and of how credit notes are applied."""

from typing import Annotated

from pydantic import Field

from chalicelib.field_types import Body, CalendarDate, Currency, ShortText, SingleLineText, VendorId
from chalicelib.invoices.rules import MAX_AMOUNT
from chalicelib.payments.rules import MAX_INVOICES_PER_WRITE

Amount = Annotated[int, Field(ge=1, le=MAX_AMOUNT, description="In minor units of the currency.")]


class AllocationBody(Body):
    """The amount to allocate to an invoice."""

    invoice_id: VendorId
    amount: Amount


Allocations = Annotated[
    list[AllocationBody],
    Field(
        min_length=1,
        max_length=100,
        description=f"At most {MAX_INVOICES_PER_WRITE} invoices in one write, each once.",
    ),
]


class PaymentDetails(Body):
    """What every payment has."""

    amount: Amount
    currency: Currency
    received_on: CalendarDate = Field(description="The local day of receipt. It counts as paid on that day.")
    method: ShortText | None = Field(default=None, description="For example bank_transfer, card or check.")
    reference: SingleLineText | None = Field(default=None, description="What the payer wrote, or the bank's reference.")
    note: SingleLineText | None = Field(default=None, description="For staff.")


class PaymentBody(PaymentDetails):
    """A payment and its allocations."""

    entity_id: VendorId | None = Field(default=None, description="Absent: the account's default issuing entity.")
    allocations: list[AllocationBody] = Field(
        default=[],
        max_length=100,
        description=f"At most {MAX_INVOICES_PER_WRITE} invoices in one write; what is left stays unallocated.",
    )


class AllocationsBody(Body):
    """Further allocations of a payment."""

    allocations: Allocations


class ApplicationsBody(Body):
    """Allocations of a credit note."""

    applications: Allocations


class ReversalBody(Body):
    """Why a payment is reversed."""

    reason: SingleLineText = Field(description="Such as: direct debit returned.")
