"""Invoices and credit notes: what they are.

Amounts are integers of minor units, quantities and rates decimals as text.
"""

from dataclasses import dataclass, field
from datetime import date, datetime

from chalicelib.accounts.rules import Address, PaymentTerms
from chalicelib.entities.rules import BankDetails, TaxNumber

INVOICE, CREDIT_NOTE = "invoice", "credit_note"

OPEN, PART_PAID, PAID, VOID, UNCOLLECTIBLE = "open", "part_paid", "paid", "void", "uncollectible"
STATUSES = (OPEN, PART_PAID, PAID, VOID, UNCOLLECTIBLE)
"""Of a credit note, ``open`` and ``part_paid`` tell what is left to apply, ``paid`` that nothing is."""

STANDING = {OPEN: "open", PART_PAID: "open", PAID: "settled", VOID: "void", UNCOLLECTIBLE: "void"}
"""Under what each status is listed in the second index."""


@dataclass(frozen=True)
class Tax:
    """A tax on a line. ``category`` is the code of UNCL 5305 as EN 16931 uses it (S, Z, E, AE, K, G, O, L, M).

    None is a tax that EN 16931 does not know, as a sales tax. ``rate`` is in percent.
    """

    name: str
    rate: str
    category: str | None = None


@dataclass(frozen=True)
class TaxTotal:
    """What one tax comes to on the whole invoice."""

    name: str
    rate: str
    taxable_amount: int
    amount: int
    category: str | None = None
    exemption_reason: str | None = None


@dataclass(frozen=True)
class Line:
    """A line. ``unit_price`` is a decimal in whole units of the currency, for it may be finer than minor units.

    ``unit`` is a code of UN/ECE Recommendation 20 (C62 is one piece); ``net_amount`` is before tax.
    """

    description: str
    net_amount: int
    quantity: str = "1"
    unit_price: str | None = None
    unit: str = "C62"
    details: str | None = None
    product_code: str | None = None
    period_start: date | None = None
    period_end: date | None = None
    taxes: tuple[Tax, ...] = ()


@dataclass(frozen=True)
class Seller:
    """The issuing entity as it was when the invoice was issued."""

    entity_id: str
    name: str
    legal_name: str
    colour: str
    address: Address | None = None
    tax_numbers: tuple[TaxNumber, ...] = ()
    registration_number: str | None = None
    bank_details: BankDetails | None = None
    email: str | None = None
    website: str | None = None
    logo: str | None = None
    """The SHA-256 of the logo; its key in the bucket is made of it."""


@dataclass(frozen=True)
class Buyer:
    """The addressee as it was when the invoice was issued: the account, the bill group and its billing contact."""

    account_id: str
    account_name: str
    bill_group_id: str
    bill_group_name: str
    company: str | None = None
    """Of the billing contact, where it is another than the account."""
    attention: str | None = None
    """The name of the billing contact (C8)."""
    address: Address | None = None
    vat_number: str | None = None
    registration_number: str | None = None


@dataclass(frozen=True)
class Content:
    """Everything that the PDF and the e-invoice are made of. It is taken at issue and never changes (I2)."""

    invoice_id: str
    kind: str
    number: str
    issue_date: date
    currency: str
    locale: str
    time_zone: str
    seller: Seller
    buyer: Buyer
    lines: tuple[Line, ...]
    tax_totals: tuple[TaxTotal, ...]
    net_total: int
    tax_total: int
    total: int
    prepaid: int = 0
    """What was paid before the invoice was issued."""
    due_date: date | None = None
    payment_terms: PaymentTerms | None = None
    po_number: str | None = None
    note: str | None = None
    period_start: date | None = None
    period_end: date | None = None
    preceding_numbers: tuple[str, ...] = ()
    """Of a credit note: the invoices that it corrects."""
    portal_url: str | None = None

    @property
    def amount_due(self) -> int:
        """Return what is to be paid as of issue, in minor units."""
        return self.total - self.prepaid


@dataclass(frozen=True)
class StoredPdf:
    """The PDF of an invoice in the bucket."""

    key: str
    sha256: str
    size: int
    source: str
    """``made`` here, or ``supplied``."""
    e_invoice: str | None = None
    """Why no EN 16931 invoice is embedded; None when one is."""


@dataclass(frozen=True)
class Dispute:
    """Why an invoice is disputed, by whom and since when (UTC)."""

    reason: str
    since: datetime
    by: str
    details: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Invoice:
    """The head of an invoice or credit note, and what has become of it."""

    invoice_id: str
    kind: str
    number: str
    entity_id: str
    account_id: str
    bill_group_id: str
    currency: str
    issue_date: date
    net_total: int
    tax_total: int
    total: int
    content_hash: str
    content_parts: int
    recorded_at: datetime
    due_date: date | None = None
    po_number: str | None = None
    paid: int = 0
    """By payments; of a credit note, always 0. What was prepaid counts from the beginning."""
    credited: int = 0
    """By credit notes; of a credit note: what of it was applied."""
    status: str = OPEN
    dispute: Dispute | None = None
    pdf_expected: str = "made"
    pdf: StoredPdf | None = None
    delivery_wanted: bool = False
    settled_on: date | None = None
    applications: dict[str, int] = field(default_factory=dict)
    """Of a credit note: the amounts that were applied, by the id of the invoice."""
    version: int = 1

    @property
    def balance(self) -> int:
        """Return what is still open in minor units: to be paid, or of a credit note, to be applied."""
        return self.total - self.paid - self.credited if STANDING[self.status] == "open" else 0
