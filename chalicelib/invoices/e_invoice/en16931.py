"""The e-invoice: an invoice by EN 16931, as XML (UN/CEFACT CII) to embed in its PDF (I2).

The standard cannot express every invoice. If it cannot, the reason is returned; nothing is guessed, rounded again or
left out to make it fit.
"""

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, localcontext

from chalicelib import money
from chalicelib.invoices.e_invoice import cii
from chalicelib.invoices.e_invoice.cii import EInvoice, EInvoiceLine, VatBreakdown
from chalicelib.invoices.e_invoice.codes import COUNTRIES, CURRENCIES, UNITS, load_codes
from chalicelib.invoices.rules import CREDIT_NOTE, Content, Line, Seller, Tax
from chalicelib.postal_address import PostalAddress
from chalicelib.tax_numbers import is_vat_kind, vat_number_with_letters

_STANDARD, _ZERO, _EXEMPT, _REVERSE, _WITHIN_EU, _EXPORT, _OUTSIDE = "S", "Z", "E", "AE", "K", "G", "O"
_CANARIES, _CEUTA = "L", "M"
_CATEGORIES = {_STANDARD, _ZERO, _EXEMPT, _REVERSE, _WITHIN_EU, _EXPORT, _OUTSIDE, _CANARIES, _CEUTA}
_WITH_RATE = {_STANDARD, _CANARIES, _CEUTA}
_REASON_CODES = {
    _REVERSE: "VATEX-EU-AE", _WITHIN_EU: "VATEX-EU-IC", _EXPORT: "VATEX-EU-G", _OUTSIDE: "VATEX-EU-O",
}  # fmt: skip
# Greece and Northern Ireland have their own VAT number prefixes.
_COUNTRY_OF_PREFIX = {"EL": "GR", "XI": "GB"}
_DECIMALS = 2
"""Decimals of an amount; EN 16931 allows no more."""
_DIGITS = 100
"""Precision of the arithmetic: more than a quantity times a price can have."""


@dataclass(frozen=True)
class Inexpressible:
    """Why EN 16931 cannot express an invoice: a stable code, and a sentence for people."""

    code: str
    reason: str


class _InexpressibleError(Exception):
    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.what = Inexpressible(code, reason)


def build_e_invoice(content: Content) -> bytes | Inexpressible:
    """Return the invoice as XML in UTF-8, or why there can be none. The same content gives the same bytes.

    Characters that XML 1.0 does not allow are removed from texts.
    """
    with localcontext() as exact:
        exact.prec = _DIGITS
        try:
            return cii.to_xml(_to_e_invoice(content))
        except _InexpressibleError as reason:
            return reason.what


def _to_e_invoice(content: Content) -> EInvoice:
    if not cii.xml_token(content.number):
        raise _InexpressibleError("number", "The invoice has no number in characters that XML has.")
    if content.currency not in load_codes(CURRENCIES):
        raise _InexpressibleError("currency", f"EN 16931 does not have the currency {content.currency}.")
    positions = tuple(_to_e_invoice_line(content, number, line) for number, line in enumerate(content.lines, 1))
    breakdown = _breakdown(content, positions)
    _check_totals(content, breakdown)
    categories = {vat.category for vat in breakdown}
    vat_number, tax_number = _seller_numbers(content.seller)
    buyer_number = _vat_number(content.buyer.vat_number, content.buyer.address)
    if _OUTSIDE in categories:
        # The standard forbids VAT numbers on what is not subject to VAT.
        vat_number = buyer_number = None
    _check_parties(content, categories, vat_number, tax_number, buyer_number)
    delivered_to, period = _delivery(content, categories, buyer_number)
    due, terms = _payment_terms(content)
    return EInvoice(
        content=content,
        is_credit_note=content.kind == CREDIT_NOTE,
        positions=positions,
        breakdown=breakdown,
        notes=tuple(
            note
            for note in (
                content.note,
                # The standard has no other field for the reason of these categories.
                *(one.exemption_reason for one in content.tax_totals if one.category in {_ZERO, *_WITH_RATE}),
            )
            if note
        ),
        seller_vat_number=vat_number,
        seller_tax_number=tax_number,
        buyer_vat_number=buyer_number,
        delivered_to=delivered_to,
        period=period,
        due_date=due,
        terms=terms,
        net_total=_to_decimal(content, content.net_total, "The sum of the lines"),
        tax_total=_to_decimal(content, content.tax_total, "The sum of the taxes"),
        total=_to_decimal(content, content.total, "The total"),
        prepaid=_to_decimal(content, content.prepaid, "What was paid before"),
        amount_due=_to_decimal(content, content.amount_due, "The amount due"),
    )


def _to_e_invoice_line(content: Content, number: int, line: Line) -> EInvoiceLine:
    where = f"Line {number}"
    if not cii.xml_text(line.description).strip():
        raise _InexpressibleError("line_description", f"{where} has no description in characters that XML has.")
    if line.unit not in load_codes(UNITS):
        raise _InexpressibleError(
            "line_unit", f"{where} is counted in {line.unit}, which is no unit of Recommendation 20."
        )
    net = _to_decimal(content, line.net_amount, where)
    quantity = Decimal(line.quantity)
    basis: Decimal | None = None
    if line.unit_price is not None:
        price = Decimal(line.unit_price)
        if _rounded(quantity * price, money.minor_unit_digits(content.currency)) != net:
            raise _InexpressibleError("line_amount", f"{where} comes to another amount than quantity times unit price.")
    elif quantity == 0 and net != 0:
        raise _InexpressibleError("line_amount", f"{where} has an amount, but the quantity 0.")
    else:
        # The price of the whole quantity is exact; that of one piece may not be.
        price, basis = net, abs(quantity) if abs(quantity) not in (0, 1) else None
        price = -price if quantity < 0 else price
    if price < 0:
        # A price is never negative in the standard; a return is a negative quantity.
        price, quantity = -price, -quantity
    if _ends_before_start(line.period_start, line.period_end):
        raise _InexpressibleError("period", f"{where} is of a period that ends before it begins.")
    category, rate = _category(where, line.taxes)
    return EInvoiceLine(
        line=line, quantity=quantity + 0, price=price + 0, basis=basis, net=net, category=category, rate=rate
    )


def _category(where: str, taxes: tuple[Tax, ...]) -> tuple[str, Decimal | None]:
    if not taxes:
        raise _InexpressibleError(
            "tax_missing", f"{where} has no tax, and EN 16931 needs the VAT category of each line."
        )
    if len(taxes) > 1:
        raise _InexpressibleError(
            "several_taxes", f"{where} has several taxes, and EN 16931 knows one VAT of each line."
        )
    tax = taxes[0]
    if tax.category not in _CATEGORIES:
        raise _InexpressibleError("tax_category", f"{where} has a tax without a VAT category of EN 16931.")
    return tax.category, _rate(where, tax.category, tax.rate)


def _rate(where: str, category: str, written: str) -> Decimal | None:
    rate = Decimal(written)
    if rate < 0 or (rate != 0 and category not in _WITH_RATE) or (rate == 0 and category in {_STANDARD, _CANARIES}):
        raise _InexpressibleError("tax_rate", f"{where} has a rate that the VAT category {category} cannot have.")
    return None if category == _OUTSIDE else rate


def _breakdown(content: Content, positions: tuple[EInvoiceLine, ...]) -> tuple[VatBreakdown, ...]:
    """Return the VAT totals: one for each category and rate, as the standard requires."""
    taxable: dict[tuple[str, Decimal | None], Decimal] = {}
    charged: dict[tuple[str, Decimal | None], Decimal] = {}
    reasons: dict[tuple[str, Decimal | None], list[str]] = {}
    for total in content.tax_totals:
        where = f"The total of {total.name}"
        if total.category not in _CATEGORIES:
            raise _InexpressibleError("tax_category", f"{where} has no VAT category of EN 16931.")
        which = total.category, _rate(where, total.category, total.rate)
        taxable[which] = taxable.get(which, Decimal()) + _to_decimal(content, total.taxable_amount, where)
        charged[which] = charged.get(which, Decimal()) + _to_decimal(content, total.amount, where)
        given = reasons.setdefault(which, [])
        if total.exemption_reason and cii.xml_text(total.exemption_reason).strip() not in ("", *given):
            given.append(cii.xml_text(total.exemption_reason).strip())
    of_lines: dict[tuple[str, Decimal | None], Decimal] = {}
    for position in positions:
        which = position.category, position.rate
        of_lines[which] = of_lines.get(which, Decimal()) + position.net
    found = []
    for which, amount in taxable.items():
        category, rate = which
        if which not in of_lines and amount == charged[which] == 0:
            continue
        if of_lines.get(which) != amount:
            raise _InexpressibleError("tax_totals", "The lines of a VAT do not add up to its base.")
        if charged[which] != _rounded(amount * (rate or 0) / 100, money.minor_unit_digits(content.currency)):
            raise _InexpressibleError(
                "tax_rounding", "A VAT is not its rate times the sum of its lines, rounded once, as EN 16931 has it."
            )
        if category == _EXEMPT and not reasons[which]:
            raise _InexpressibleError("exemption_reason", "EN 16931 needs the reason why something is exempt from VAT.")
        exempt = category not in {_ZERO, *_WITH_RATE}
        reason = "; ".join(reasons[which]) or None if exempt else None
        found.append(VatBreakdown(category, rate, amount, charged[which] + 0, reason, _REASON_CODES.get(category)))
    if of_lines.keys() - taxable.keys():
        raise _InexpressibleError("tax_totals", "A VAT of the lines is not among the totals of taxes.")
    if any(vat.category == _OUTSIDE for vat in found) and len(found) > 1:
        raise _InexpressibleError("not_subject", "EN 16931 does not mix what is not subject to VAT with what is.")
    return tuple(found)


def _check_totals(content: Content, breakdown: tuple[VatBreakdown, ...]) -> None:
    right = (
        bool(content.lines)
        and sum(line.net_amount for line in content.lines) == content.net_total
        and sum((vat.charged for vat in breakdown), Decimal())
        == money.to_major_units(content.tax_total, content.currency)
        and content.net_total + content.tax_total == content.total
    )
    if not right:
        raise _InexpressibleError("totals", "The lines and taxes do not add up to the totals.")


def _check_parties(
    content: Content, categories: set[str], vat_number: str | None, tax_number: str | None, buyer_number: str | None
) -> None:
    seller, buyer = content.seller, content.buyer
    for code, who, name, address in (
        ("seller", "The issuing entity", seller.legal_name, seller.address),
        ("buyer", "The addressee", cii.buyer_name(buyer), buyer.address),
    ):
        if not cii.xml_text(name).strip():
            raise _InexpressibleError(f"{code}_name", f"{who} has no name in characters that XML has.")
        if address is None or address.country not in load_codes(COUNTRIES):
            raise _InexpressibleError(f"{code}_country", f"{who} has no address with a country.")
    if not (cii.xml_token(seller.registration_number) or vat_number):
        raise _InexpressibleError(
            "seller_number", "The issuing entity has neither a registration number nor a VAT number."
        )
    if categories & {_WITHIN_EU, _EXPORT} and not vat_number:
        raise _InexpressibleError(
            "seller_vat_number", "The issuing entity has no VAT number, with its country's letters."
        )
    if categories - {_OUTSIDE} and not (vat_number or tax_number):
        raise _InexpressibleError("seller_vat_number", "The issuing entity has neither a VAT number nor a tax number.")
    if _WITHIN_EU in categories and not buyer_number:
        raise _InexpressibleError("buyer_vat_number", "The addressee has no VAT number, with its country's letters.")
    if _REVERSE in categories and not (buyer_number or cii.xml_token(buyer.registration_number)):
        raise _InexpressibleError(
            "buyer_vat_number", "The addressee has neither a VAT number nor a registration number."
        )


def _seller_numbers(seller: Seller) -> tuple[str | None, str | None]:
    """Return the VAT number with its country prefix, and another tax number; each None when there is none."""
    vat_number: str | None = None
    others = []
    for one in seller.tax_numbers:
        found = _vat_number(one.number, seller.address) if is_vat_kind(one.kind) else None
        if found and vat_number is None:
            vat_number = found
        elif cii.xml_token(one.number):
            others.append(cii.xml_token(one.number))
    return vat_number, others[0] if others else None


def _vat_number(number: str | None, address: PostalAddress | None) -> str | None:
    """Return a VAT number with the letters of a country that the standard knows, or None."""
    found = vat_number_with_letters(cii.xml_token(number), address.country if address else None)
    return found if found and (found[:2] in load_codes(COUNTRIES) or found[:2] in _COUNTRY_OF_PREFIX) else None


def _delivery(
    content: Content, categories: set[str], buyer_number: str | None
) -> tuple[PostalAddress | None, tuple[date | None, date | None] | None]:
    """Return the place of delivery of a supply within the European Union, None for all others, and the period."""
    start, end = content.period_start, content.period_end
    if _ends_before_start(start, end):
        raise _InexpressibleError("period", "The invoice is of a period that ends before it begins.")
    if _WITHIN_EU not in categories:
        return None, (start, end) if start or end else None
    address = content.buyer.address
    assert address is not None
    assert buyer_number is not None
    prefix = buyer_number[:2]
    if _COUNTRY_OF_PREFIX.get(prefix, prefix) != address.country:
        raise _InexpressibleError(
            "delivery_country", "It is not known to which country of the European Union this was delivered."
        )
    if not (start or end):
        starts = [line.period_start for line in content.lines if line.period_start]
        ends = [line.period_end for line in content.lines if line.period_end]
        start, end = min(starts, default=None), max(ends, default=None)
    if not (start or end) or _ends_before_start(start, end):
        raise _InexpressibleError(
            "delivery_date", "A supply within the European Union needs the period of its delivery."
        )
    return address, (start, end)


def _payment_terms(content: Content) -> tuple[date | None, str | None]:
    """Return the due date, or, without one, the payment terms in words."""
    if content.due_date or content.amount_due <= 0 or content.kind == CREDIT_NOTE:
        return content.due_date, None
    terms = content.payment_terms
    if terms is None:
        raise _InexpressibleError("due_date", "There is something to pay, but neither a due date nor payment terms.")
    return None, f"Net {terms.days} days" if terms.kind == "net" else "Due on receipt"


def _to_decimal(content: Content, minor_units: int, where: str) -> Decimal:
    amount = money.to_major_units(minor_units, content.currency)
    if money.minor_unit_digits(content.currency) > _DECIMALS:
        if amount != round(amount, _DECIMALS):
            raise _InexpressibleError("decimals", f"{where} has more than two decimals, which EN 16931 does not have.")
        amount = round(amount, _DECIMALS)
    return amount


def _rounded(amount: Decimal, decimals: int) -> Decimal:
    return amount.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


def _ends_before_start(start: date | None, end: date | None) -> bool:
    return start is not None and end is not None and end < start
