"""The records of invoices and credit notes.

Amounts are integers of minor units, quantities and rates decimals as text.
"""

import hashlib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

from chalicelib.accounts.rules import PaymentTerms
from chalicelib.entities.rules import BankDetails, TaxNumber
from chalicelib.field_marks import FreeText, NotAudited, NotPersonal, OfPortalUser
from chalicelib.payment_references import PaymentReference, format_payment_reference
from chalicelib.postal_address import PostalAddress

INVOICE, CREDIT_NOTE = "invoice", "credit_note"

OPEN, PART_PAID, PAID, VOID, UNCOLLECTIBLE = "open", "part_paid", "paid", "void", "uncollectible"
STATUSES = (OPEN, PART_PAID, PAID, VOID, UNCOLLECTIBLE)
"""For a credit note, ``open`` and ``part_paid`` mean a remainder to apply, ``paid`` that there is none."""

STATUS_GROUPS = {OPEN: "open", PART_PAID: "open", PAID: "settled", VOID: "void", UNCOLLECTIBLE: "void"}
"""The meaning of each status for what is owed."""
UNSETTLED = frozenset({OPEN, PART_PAID})
"""Statuses with an open balance."""
DUE_SOON_DAYS = 7
MAX_AMOUNT = 10**15
"""In minor units: exact in every program that reads JSON."""
_MAX_NORMALIZED_LENGTH = 512
"""In bytes of UTF-8; a key of the table has at most 1024."""


@dataclass(frozen=True)
class Tax:
    """A tax on a line. ``category`` is the code of UNCL 5305 as EN 16931 uses it (S, Z, E, AE, K, G, O, L, M).

    None is a tax outside EN 16931, such as a sales tax. ``rate`` is in percent.
    """

    name: str
    rate: str
    category: str | None = None


@dataclass(frozen=True)
class TaxTotal:
    """The total of one tax on the whole invoice."""

    name: str
    rate: str
    taxable_amount: int
    amount: int
    category: str | None = None
    exemption_reason: str | None = None


@dataclass(frozen=True)
class Line:
    """A line. ``unit_price`` is a decimal in whole units of the currency, as it may be finer than minor units.

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
    address: PostalAddress | None = None
    tax_numbers: tuple[TaxNumber, ...] = ()
    registration_number: str | None = None
    bank_details: BankDetails | None = None
    email: str | None = None
    website: str | None = None
    logo: str | None = None
    """The key of the logo in the bucket, which names its content and is never reused."""


@dataclass(frozen=True)
class Buyer:
    """The addressee as it was when the invoice was issued: the account, the bill group and its billing contact."""

    account_id: str
    account_name: str
    bill_group_id: str
    bill_group_name: str
    company: str | None = None
    """Of the billing contact, if it differs from the account's."""
    attention: str | None = None
    """The name of the billing contact (C8)."""
    address: PostalAddress | None = None
    vat_number: str | None = None
    registration_number: str | None = None


@dataclass(frozen=True)
class Content:
    """The input of the PDF and the e-invoice. It is taken at issue and never changes (I2)."""

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
    """For a credit note: the invoices that it corrects."""
    portal_url: str | None = None
    payment_reference: PaymentReference | None = None

    @property
    def amount_due(self) -> int:
        """Return the amount to pay as of issue, in minor units."""
        return self.total - self.prepaid


@dataclass(frozen=True)
class StoredPdf:
    """The PDF of an invoice in the bucket."""

    key: str
    sha256: str
    size: int
    source: str
    """``made`` (rendered here) or ``supplied``."""
    e_invoice: str | None = None
    """Why no EN 16931 invoice is embedded; None when one is."""


@dataclass(frozen=True)
class Dispute:
    """What is disputed of an invoice, why, by whom and since when (UTC).

    ``lines`` are numbers from 1 on, ``amount`` is in minor units; neither: the whole invoice. ``owner`` is the email of
    the staff member in charge. ``lines_amount`` is what the lines come to with their taxes; None where there are none
    or ``amount`` says how much, and for lines that were disputed before it was recorded: then the whole is disputed.
    """

    reason: str
    since: datetime
    by: str
    note: str | None = None
    lines: tuple[int, ...] = ()
    amount: int | None = None
    owner: str | None = None
    lines_amount: int | None = None


@dataclass(frozen=True)
class Promise:
    """The day by which an invoice will be paid, promised by ``by`` at the instant ``since`` (R6)."""

    on: date
    since: datetime
    by: str


@dataclass(frozen=True)
class Invoice:
    """The head of an invoice or credit note: its current state. Amounts are never below zero."""

    invoice_id: NotPersonal[str]
    kind: NotPersonal[str]
    number: NotPersonal[str]
    entity_id: NotPersonal[str]
    account_id: NotPersonal[str]
    bill_group_id: NotPersonal[str]
    currency: NotPersonal[str]
    issue_date: date
    net_total: int
    tax_total: int
    total: int
    content_hash: NotAudited[NotPersonal[str]]
    content_parts: NotAudited[int]
    recorded_at: NotAudited[datetime]
    time_zone: NotPersonal[str] = "UTC"
    """The account's time zone at issue, whose date decides whether the invoice is overdue."""
    due_date: date | None = None
    po_number: NotPersonal[str | None] = None
    payment_reference: NotPersonal[PaymentReference | None] = None
    warnings: NotAudited[NotPersonal[tuple[str, ...] | None]] = None
    """The codes of what was taken at issue, but hinders paying or looks like a mistake; None without any."""
    prepaid: int = 0
    """What was paid before the invoice was issued; it is part of ``paid``."""
    paid: int = 0
    """By payments and prepayment; for a credit note always 0."""
    credited: int = 0
    """By credit notes; for a credit note, the applied part."""
    status: NotPersonal[str] = OPEN
    dispute: FreeText[Dispute | None] = None
    promise: OfPortalUser[Promise | None] = None
    pdf_expected: NotPersonal[str] = "made"
    pdf: NotAudited[NotPersonal[StoredPdf | None]] = None
    delivery_wanted: bool = False
    settled_on: date | None = None
    line_count: int = 0
    missing_glyphs: NotAudited[NotPersonal[str | None]] = None
    """The characters that no font has: a PDF made here shows the replacement character in their place."""
    upstream: NotAudited[NotPersonal[dict[str, str | None]]] = field(default_factory=dict)
    """The due date that the billing system last sent; while it repeats that, one changed here stands."""
    applications: NotPersonal[dict[str, int]] = field(default_factory=dict)
    """For a credit note: the applied amounts, by the id of the invoice."""
    version: NotAudited[int] = 1

    @property
    def balance(self) -> int:
        """Return the open amount in minor units: to be paid, or for a credit note, to be applied."""
        return self.total - self.paid - self.credited if self.status in UNSETTLED else 0

    @property
    def is_credit_note(self) -> bool:
        """Tell whether this is a credit note, whose balance is owed to the account."""
        return self.kind == CREDIT_NOTE

    @property
    def settled(self) -> int:
        """Return the amount that payments and credit notes have settled since the issue, in minor units."""
        return self.paid - self.prepaid + self.credited


def derive_invoice_status(invoice: Invoice) -> str:
    """Return the status of an invoice or credit note that is neither void nor uncollectible, from what is settled."""
    done = invoice.paid + invoice.credited
    if done >= invoice.total:
        return PAID
    return PART_PAID if done else OPEN


def reference_to_state(invoice: Invoice | Content) -> str:
    """Return what the payer is told to state, as it is printed: the payment reference, else the number (I9)."""
    return format_payment_reference(invoice.payment_reference) if invoice.payment_reference else invoice.number


def invoice_local_date(invoice: Invoice, now: datetime) -> date:
    """Return the local date at ``now`` (aware) that applies to an invoice."""
    return now.astimezone(ZoneInfo(invoice.time_zone)).date()


def disputed_amount(invoice: Invoice) -> int:
    """Return how much of an invoice's open amount is disputed, in minor units (R6).

    What was paid counts on the undisputed part first.
    """
    dispute = invoice.dispute
    if dispute is None:
        return 0
    disputed = dispute.amount if dispute.amount is not None else dispute.lines_amount
    return invoice.balance if disputed is None else min(disputed, invoice.balance)


def spread_credit(open_amounts: Iterable[tuple[str, date | None, int]], credit: int) -> dict[str, int]:
    """Return how much of ``credit`` counts on each invoice, the earliest due first (R2); all in minor units.

    ``open_amounts`` are triples of invoice id, due date and open amount of one account, issuing entity and currency.
    What is due on the same day comes in order of ids, and what has no due date comes last.
    """
    counted: dict[str, int] = {}
    for invoice_id, _, amount in sorted(open_amounts, key=lambda one: (one[1] or date.max, one[0])):
        counted[invoice_id] = min(amount, max(credit, 0))
        credit -= counted[invoice_id]
    return counted


def days_overdue(invoice: Invoice, today: date) -> int:
    """Return the number of days that an open invoice is overdue, 0 up to its due date."""
    if invoice.due_date is None or invoice.is_credit_note or not invoice.balance:
        return 0
    return max(0, (today - invoice.due_date).days)


def is_due_soon(invoice: Invoice, today: date) -> bool:
    """Tell whether an open invoice falls due today or within DUE_SOON_DAYS."""
    if invoice.due_date is None or invoice.is_credit_note or not invoice.balance:
        return False
    return 0 <= (invoice.due_date - today).days <= DUE_SOON_DAYS


def normalize_number(text: str) -> str:
    """Return a normalised number or PO number for comparison: compatible forms, no case, single spaces.

    One that becomes too long for a key, as some ligatures do, is compared by its hash.
    """
    compatible = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    tidy = " ".join(compatible.split())
    raw = tidy.encode()
    return tidy if len(raw) <= _MAX_NORMALIZED_LENGTH else f"sha256:{hashlib.sha256(raw).hexdigest()}"
