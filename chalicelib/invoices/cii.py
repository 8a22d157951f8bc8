"""Writing an invoice as UN/CEFACT Cross Industry Invoice, in the order that its schema wants.

``e_invoice`` has decided everything beforehand; the numbers in the comments are the business terms of EN 16931.
"""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from chalicelib.accounts.rules import Address
from chalicelib.invoices.rules import Buyer, Content, Line, Seller

_GUIDELINE = "urn:cen.eu:en16931:2017"
_NAMESPACES = {
    "xmlns:rsm": "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100",
    "xmlns:ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100",
    "xmlns:udt": "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100",
}
_INVOICE, _CREDIT_NOTE = "380", "381"
_CREDIT_TRANSFER, _SEPA_CREDIT_TRANSFER = "30", "58"

# What XML 1.0 cannot hold, what it discourages, and what reading would change.
_NOT_IN_XML = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


@dataclass(frozen=True)
class Position:
    """A line in the terms of the standard: a price that is not negative, for ``basis`` pieces (None: one)."""

    line: Line
    quantity: Decimal
    price: Decimal
    basis: Decimal | None
    net: Decimal
    category: str
    rate: Decimal | None


@dataclass(frozen=True)
class Vat:
    """What one VAT category and rate come to; ``rate`` is None when there is none."""

    category: str
    rate: Decimal | None
    taxable: Decimal
    charged: Decimal
    reason: str | None
    reason_code: str | None


@dataclass(frozen=True)
class Document:
    """An invoice in the terms of the standard, with everything decided. Amounts have at most two decimals."""

    content: Content
    is_credit_note: bool
    positions: tuple[Position, ...]
    breakdown: tuple[Vat, ...]
    notes: tuple[str, ...]
    seller_vat_number: str | None
    seller_tax_number: str | None
    buyer_vat_number: str | None
    delivered_to: Address | None
    period: tuple[date | None, date | None] | None
    due_date: date | None
    terms: str | None
    net_total: Decimal
    tax_total: Decimal
    total: Decimal
    prepaid: Decimal
    amount_due: Decimal


def text(value: str | None) -> str:
    """Return a text without the characters that XML 1.0 does not have; lines end as XML has them."""
    plain = (value or "").replace("\r\n", "\n").replace("\r", "\n")
    return "".join(one for one in _NOT_IN_XML.sub("", plain) if ord(one) & 0xFFFE != 0xFFFE)


def token(value: str | None) -> str:
    """Return a text as an identifier: on one line, without white space around it."""
    return " ".join(text(value).split())


def buyer_name(buyer: Buyer) -> str:
    """Return the company that the invoice is addressed to."""
    return buyer.company or buyer.account_name


def written(document: Document) -> bytes:
    """Return the XML file, in UTF-8. The same document gives the same bytes."""
    root = Element("rsm:CrossIndustryInvoice", _NAMESPACES)
    context = SubElement(root, "rsm:ExchangedDocumentContext")
    _put(SubElement(context, "ram:GuidelineSpecifiedDocumentContextParameter"), "ram:ID", _GUIDELINE)
    _head(SubElement(root, "rsm:ExchangedDocument"), document)
    transaction = SubElement(root, "rsm:SupplyChainTradeTransaction")
    for number, position in enumerate(document.positions, 1):
        _line(SubElement(transaction, "ram:IncludedSupplyChainTradeLineItem"), number, position)
    _agreement(SubElement(transaction, "ram:ApplicableHeaderTradeAgreement"), document)
    _delivery(SubElement(transaction, "ram:ApplicableHeaderTradeDelivery"), document)
    _settlement(SubElement(transaction, "ram:ApplicableHeaderTradeSettlement"), document)
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'.encode()


def _put(parent: Element, name: str, value: str, **attributes: str) -> None:
    """Add an element that has a text; an empty one is left out, as the standard wants it."""
    if value.strip():
        SubElement(parent, name, attributes).text = value


def _number(value: Decimal) -> str:
    return format(value, "f")


def _day(parent: Element, name: str, day: date | None) -> None:
    if day is not None:
        _put(SubElement(parent, name), "udt:DateTimeString", day.isoformat().replace("-", ""), format="102")


def _period(parent: Element, start: date | None, end: date | None) -> None:
    if start or end:
        period = SubElement(parent, "ram:BillingSpecifiedPeriod")
        _day(period, "ram:StartDateTime", start)
        _day(period, "ram:EndDateTime", end)


def _head(head: Element, document: Document) -> None:
    content = document.content
    _put(head, "ram:ID", token(content.number))  # BT-1
    _put(head, "ram:TypeCode", _CREDIT_NOTE if document.is_credit_note else _INVOICE)  # BT-3
    _day(head, "ram:IssueDateTime", content.issue_date)  # BT-2
    for note in document.notes:
        if text(note).strip():
            _put(SubElement(head, "ram:IncludedNote"), "ram:Content", text(note))  # BT-22


def _line(item: Element, number: int, position: Position) -> None:
    line = position.line
    _put(SubElement(item, "ram:AssociatedDocumentLineDocument"), "ram:LineID", str(number))  # BT-126
    product = SubElement(item, "ram:SpecifiedTradeProduct")
    _put(product, "ram:SellerAssignedID", token(line.product_code))  # BT-155
    _put(product, "ram:Name", text(line.description))  # BT-153
    _put(product, "ram:Description", text(line.details))  # BT-154
    price = SubElement(SubElement(item, "ram:SpecifiedLineTradeAgreement"), "ram:NetPriceProductTradePrice")
    _put(price, "ram:ChargeAmount", _number(position.price))  # BT-146
    if position.basis is not None:
        _put(price, "ram:BasisQuantity", _number(position.basis), unitCode=line.unit)  # BT-149
    delivered = SubElement(item, "ram:SpecifiedLineTradeDelivery")
    _put(delivered, "ram:BilledQuantity", _number(position.quantity), unitCode=line.unit)  # BT-129
    settlement = SubElement(item, "ram:SpecifiedLineTradeSettlement")
    tax = SubElement(settlement, "ram:ApplicableTradeTax")
    _put(tax, "ram:TypeCode", "VAT")
    _put(tax, "ram:CategoryCode", position.category)  # BT-151
    _rate(tax, position.rate)  # BT-152
    _period(settlement, line.period_start, line.period_end)  # BG-26
    summation = SubElement(settlement, "ram:SpecifiedTradeSettlementLineMonetarySummation")
    _put(summation, "ram:LineTotalAmount", _number(position.net))  # BT-131


def _rate(tax: Element, rate: Decimal | None) -> None:
    if rate is not None:
        _put(tax, "ram:RateApplicablePercent", _number(rate.normalize() + 0))


def _agreement(agreement: Element, document: Document) -> None:
    content = document.content
    _seller(SubElement(agreement, "ram:SellerTradeParty"), content.seller, document)
    _buyer(SubElement(agreement, "ram:BuyerTradeParty"), content.buyer, document)
    if token(content.po_number):
        order = SubElement(agreement, "ram:BuyerOrderReferencedDocument")
        _put(order, "ram:IssuerAssignedID", token(content.po_number))  # BT-13


def _seller(party: Element, seller: Seller, document: Document) -> None:
    _put(party, "ram:Name", text(seller.legal_name))  # BT-27
    trading_name = seller.name if seller.name != seller.legal_name else None
    _organization(party, seller.registration_number, trading_name)  # BT-30, BT-28
    _contact(party, None, seller.email)  # BT-43
    _address(party, seller.address)  # BG-5
    if token(seller.email):
        _put(SubElement(party, "ram:URIUniversalCommunication"), "ram:URIID", token(seller.email), schemeID="EM")
    _registration(party, document.seller_vat_number, "VA")  # BT-31
    _registration(party, document.seller_tax_number, "FC")  # BT-32


def _buyer(party: Element, buyer: Buyer, document: Document) -> None:
    _put(party, "ram:ID", token(buyer.account_id))  # BT-46
    _put(party, "ram:Name", text(buyer_name(buyer)))  # BT-44
    _organization(party, buyer.registration_number, None)  # BT-47
    _contact(party, buyer.attention, None)  # BT-56
    _address(party, buyer.address)  # BG-8
    _registration(party, document.buyer_vat_number, "VA")  # BT-48


def _organization(party: Element, number: str | None, trading_name: str | None) -> None:
    if token(number) or text(trading_name).strip():
        organization = SubElement(party, "ram:SpecifiedLegalOrganization")
        _put(organization, "ram:ID", token(number))
        _put(organization, "ram:TradingBusinessName", text(trading_name))


def _contact(party: Element, name: str | None, email: str | None) -> None:
    if text(name).strip() or token(email):
        contact = SubElement(party, "ram:DefinedTradeContact")
        _put(contact, "ram:PersonName", text(name))
        if token(email):
            _put(SubElement(contact, "ram:EmailURIUniversalCommunication"), "ram:URIID", token(email))


def _address(party: Element, address: Address | None) -> None:
    if address is not None:
        postal = SubElement(party, "ram:PostalTradeAddress")
        _put(postal, "ram:PostcodeCode", token(address.postal_code))
        _put(postal, "ram:LineOne", text(address.line1))
        _put(postal, "ram:LineTwo", text(address.line2))
        _put(postal, "ram:CityName", text(address.city))
        _put(postal, "ram:CountryID", token(address.country))
        _put(postal, "ram:CountrySubDivisionName", text(address.region))


def _registration(party: Element, number: str | None, scheme: str) -> None:
    if number:
        _put(SubElement(party, "ram:SpecifiedTaxRegistration"), "ram:ID", number, schemeID=scheme)


def _delivery(delivery: Element, document: Document) -> None:
    buyer = document.content.buyer
    recipient = SubElement(delivery, "ram:ShipToTradeParty")
    if text(buyer.bill_group_name).strip():
        _put(recipient, "ram:Name", text(buyer.bill_group_name))  # BT-70
    else:
        _put(recipient, "ram:ID", token(buyer.bill_group_id))  # BT-71
    _address(recipient, document.delivered_to)  # BG-15


def _settlement(settlement: Element, document: Document) -> None:
    content = document.content
    _put(settlement, "ram:PaymentReference", token(content.number))  # BT-83
    _put(settlement, "ram:InvoiceCurrencyCode", content.currency)  # BT-5
    if not document.is_credit_note:
        _payment_means(settlement, content)
    for vat in document.breakdown:
        tax = SubElement(settlement, "ram:ApplicableTradeTax")  # BG-23
        _put(tax, "ram:CalculatedAmount", _number(vat.charged))
        _put(tax, "ram:TypeCode", "VAT")
        _put(tax, "ram:ExemptionReason", vat.reason or "")
        _put(tax, "ram:BasisAmount", _number(vat.taxable))
        _put(tax, "ram:CategoryCode", vat.category)
        _put(tax, "ram:ExemptionReasonCode", vat.reason_code or "")
        _rate(tax, vat.rate)
    if document.period is not None:
        _period(settlement, *document.period)  # BG-14
    if document.due_date or document.terms:
        terms = SubElement(settlement, "ram:SpecifiedTradePaymentTerms")
        _put(terms, "ram:Description", document.terms or "")  # BT-20
        _day(terms, "ram:DueDateDateTime", document.due_date)  # BT-9
    summation = SubElement(settlement, "ram:SpecifiedTradeSettlementHeaderMonetarySummation")
    _put(summation, "ram:LineTotalAmount", _number(document.net_total))
    _put(summation, "ram:TaxBasisTotalAmount", _number(document.net_total))
    _put(summation, "ram:TaxTotalAmount", _number(document.tax_total), currencyID=content.currency)
    _put(summation, "ram:GrandTotalAmount", _number(document.total))
    if document.prepaid:
        _put(summation, "ram:TotalPrepaidAmount", _number(document.prepaid))
    _put(summation, "ram:DuePayableAmount", _number(document.amount_due))
    for number in content.preceding_numbers:
        if token(number):
            preceding = SubElement(settlement, "ram:InvoiceReferencedDocument")
            _put(preceding, "ram:IssuerAssignedID", token(number))  # BT-25


def _payment_means(settlement: Element, content: Content) -> None:
    bank = content.seller.bank_details
    if bank is None or not (token(bank.iban) or token(bank.account_number)):
        return
    means = SubElement(settlement, "ram:SpecifiedTradeSettlementPaymentMeans")
    is_sepa = content.currency == "EUR" and token(bank.iban)
    _put(means, "ram:TypeCode", _SEPA_CREDIT_TRANSFER if is_sepa else _CREDIT_TRANSFER)  # BT-81
    account = SubElement(means, "ram:PayeePartyCreditorFinancialAccount")
    iban = token(bank.iban).replace(" ", "")
    _put(account, "ram:IBANID", iban)  # BT-84
    _put(account, "ram:AccountName", text(bank.account_holder))  # BT-85
    if not iban:
        _put(account, "ram:ProprietaryID", token(bank.account_number))
    if token(bank.bic):
        institution = SubElement(means, "ram:PayeeSpecifiedCreditorFinancialInstitution")
        _put(institution, "ram:BICID", token(bank.bic))  # BT-86
