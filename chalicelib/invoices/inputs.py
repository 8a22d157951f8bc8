"""What callers send of invoices and credit notes."""

import re
import unicodedata
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo
from pydantic_core import PydanticCustomError

from chalicelib.field_types import (
    Body,
    CalendarDate,
    Currency,
    EmailAddress,
    ShortText,
    SingleLineText,
    VendorId,
    pattern_validator,
)
from chalicelib.invoices.rules import MAX_AMOUNT
from chalicelib.payment_references import InvalidReferenceError, parse_payment_reference

MAX_LINES = 2000
MAX_TAXES_PER_LINE = 5
_LINE_BREAKS = re.compile("\r\n?|[\u0085\u2028\u2029\v\f]")
_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def tidy_free_text(value: str) -> str:
    """Return free text in NFC with ``\\n`` for line breaks, and without what prints nothing.

    An invoice must be issued whatever its billing system has copied into a line; so control characters and changes of
    direction, which names are refused for, are left out here.
    """
    broken = _LINE_BREAKS.sub("\n", unicodedata.normalize("NFC", value)).replace("\t", " ")
    return "".join(character for character in broken if character == "\n" or not _prints_nothing(character)).strip()


def _prints_nothing(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cs"} or character in _DIRECTIONS


def _not_blank(value: str) -> str:
    if all(unicodedata.category(character) in {"Cf", "Zs", "Cc"} for character in value):
        raise PydanticCustomError("blank", "This is blank. Send null, or leave it out.")
    return value


def _canonical(value: str) -> str:
    """Return a decimal number in its shortest form, so that 19.00 is 19."""
    number = Decimal(value)
    return f"{number.normalize() if number else Decimal(0):f}"


def _number(pattern: str, message: str) -> Callable[[str], str]:
    check = pattern_validator(re.compile(pattern), "bad_number", message)
    return lambda value: _canonical(check(value))


Description = Annotated[
    str, StringConstraints(max_length=1000), AfterValidator(tidy_free_text), AfterValidator(_not_blank)
]
LongText = Annotated[
    str, StringConstraints(max_length=10_000), AfterValidator(tidy_free_text), AfterValidator(_not_blank)
]
Quantity = Annotated[
    ShortText,
    AfterValidator(_number(r"-?[0-9]{1,12}(\.[0-9]{1,6})?", "Send a decimal number as text, such as 12 or 1.5.")),
]
UnitPrice = Annotated[
    ShortText,
    AfterValidator(
        _number(
            r"-?[0-9]{1,12}(\.[0-9]{1,10})?",
            "Send a decimal number of whole units of the currency as text, such as 19.90.",
        )
    ),
]
Rate = Annotated[
    ShortText,
    AfterValidator(_number(r"[0-9]{1,3}(\.[0-9]{1,4})?", "Send a percentage as text, such as 19 or 7.7.")),
]
Amount = Annotated[int, Field(ge=-MAX_AMOUNT, le=MAX_AMOUNT)]
AmountOfAll = Annotated[int, Field(ge=0, le=MAX_AMOUNT)]
Day = Annotated[CalendarDate, Field(le=date(2999, 12, 31))]
UnitCode = Annotated[
    ShortText,
    AfterValidator(
        pattern_validator(
            re.compile("[A-Z0-9]{2,3}"),
            "bad_unit",
            "Send a code of UN/ECE Recommendation 20, such as C62 for pieces, HUR for hours or MON for months.",
        )
    ),
]
TaxCategory = Literal["S", "Z", "E", "AE", "K", "G", "O", "L", "M"]
_MINOR = "In minor units of the currency."


class TaxBody(Body):
    """A tax on a line."""

    name: ShortText = Field(description="As it is to be printed, such as VAT or Sales tax.")
    rate: Rate = Field(description="In percent, as text.")
    category: TaxCategory | None = Field(
        default=None,
        description="The code of UNCL 5305 as EN 16931 uses it; null for a tax that it does not know.",
    )


class TaxTotalBody(TaxBody):
    """The total of one tax on the invoice."""

    taxable_amount: Amount = Field(description=_MINOR)
    amount: Amount = Field(
        description=f"{_MINOR} Rounded on the sum, or the sum of what was rounded on each line: either is accepted."
    )
    exemption_reason: SingleLineText | None = None


class LineBody(Body):
    """A line."""

    description: Description
    net_amount: Amount | None = Field(
        default=None, description=f"{_MINOR} Before tax. When it is absent, quantity times unit price."
    )
    quantity: Quantity | None = Field(default=None, description="A decimal as text; 1 when it is absent.")
    unit_price: UnitPrice | None = Field(
        default=None,
        description="A decimal as text, in whole units of the currency, for it may be finer than minor units. Leave it "
        "out where the net amount is not quantity times unit price, rounded half up.",
    )
    unit: UnitCode | None = Field(default=None, description="UN/ECE Recommendation 20; C62, a piece, when absent.")
    details: LongText | None = None
    product_code: ShortText | None = None
    period_start: Day | None = None
    period_end: Day | None = None
    taxes: list[TaxBody] | None = Field(default=None, max_length=MAX_TAXES_PER_LINE)


def _check_reference(value: str, info: ValidationInfo) -> str:
    kind = info.data.get("kind")
    if kind is None:
        return value
    try:
        return parse_payment_reference(kind, value).value
    except InvalidReferenceError as refused:
        raise PydanticCustomError("bad_payment_reference", "{reason}", {"reason": str(refused)}) from None


class PaymentReferenceBody(Body):
    """What the payer states, so that the payment is matched."""

    kind: Literal["qrr", "iso11649", "be_ogm", "fi_viite", "no_kid", "se_ocr", "si", "free"] = Field(
        description="`qrr`: Swiss QR reference. `iso11649`: creditor reference, `RF…`. `be_ogm`: Belgian structured "
        "communication. `fi_viite`: Finnish reference number. `no_kid`: Norwegian KID. `se_ocr`: Swedish OCR number. "
        "`si`: Slovenian reference. `free`: any text. All but the last have check digits, which are checked."
    )
    value: Annotated[SingleLineText, AfterValidator(_check_reference)] = Field(
        description="With or without the separators of print; a free one has at most 140 characters."
    )


class InvoiceBody(Body):
    """An invoice or a credit note. Once it is issued, only its due date changes."""

    kind: Literal["invoice", "credit_note"] | None = Field(default=None, description="An invoice when absent.")
    bill_group_id: VendorId | None = Field(
        default=None, description="Required. It determines account and issuing entity."
    )
    number: ShortText | None = Field(default=None, description="Required. Unique for the issuing entity.")
    issue_date: Day | None = Field(default=None, description="Required.")
    due_date: Day | None = Field(
        default=None, description="When absent, what the account's payment terms say; null for none at all."
    )
    currency: Currency | None = Field(default=None, description="Required. ISO 4217.")
    lines: list[LineBody] | None = Field(
        default=None, min_length=1, max_length=MAX_LINES, description="Required. Amounts of a credit note are positive."
    )
    tax_totals: list[TaxTotalBody] | None = Field(
        default=None, max_length=100, description="When absent, they are made of the lines."
    )
    net_total: Amount | None = Field(default=None, description=f"{_MINOR} When it is sent, it is checked.")
    tax_total: Amount | None = Field(default=None, description=f"{_MINOR} When it is sent, it is checked.")
    total: Amount | None = Field(default=None, description=f"{_MINOR} Needed.")
    prepaid: AmountOfAll | None = Field(default=None, description=f"{_MINOR} What was paid before the issue.")
    po_number: SingleLineText | None = Field(
        default=None, description="When absent, the bill group's; null for none on this invoice."
    )
    payment_reference: PaymentReferenceBody | None = Field(
        default=None, description="What the payer is told to state everywhere; the number when absent."
    )
    note: LongText | None = None
    period_start: Day | None = None
    period_end: Day | None = None
    preceding_numbers: list[ShortText] | None = Field(
        default=None, max_length=20, description="Of a credit note: the invoices that it corrects."
    )
    pdf: Literal["made", "supplied"] | None = Field(
        default=None, description="`supplied`: the PDF will be sent; otherwise it is made here."
    )
    deliver: bool | None = Field(
        default=None,
        description="Whether to email it, once it is issued, to the invoicing contacts. When absent, only to "
        "accounts on net terms.",
    )


class DueDateBody(Body):
    """What can change on an issued invoice."""

    due_date: Day | None = Field(description="Null for none at all.")


class ReasonBody(Body):
    """Why something is done."""

    reason: Description | None = Field(default=None, description="For the audit.")


DisputeReason = Literal["amount", "quantity", "quality", "not_ordered", "not_received", "duplicate", "tax", "other"]


class DisputeBody(Body):
    """The reason for a dispute."""

    reason: DisputeReason
    note: LongText | None = None
    lines: list[Annotated[int, Field(ge=1, le=MAX_LINES)]] | None = Field(
        default=None, max_length=MAX_LINES, description="The numbers of the disputed lines, from 1."
    )
    amount: Annotated[int, Field(ge=1, le=MAX_AMOUNT)] | None = Field(
        default=None, description=f"{_MINOR} How much is disputed; the whole when absent."
    )
    owner: EmailAddress | None = Field(
        default=None, description="The staff member it is assigned to. Only the vendor can set it."
    )
