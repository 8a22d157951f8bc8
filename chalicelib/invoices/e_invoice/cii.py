"""Write an invoice as UN/CEFACT Cross Industry Invoice, in the order of its schema.

``en16931`` has made all decisions; the numbers in the comments are the business terms of EN 16931.
"""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from chalicelib.invoices.rules import Buyer, Content, Line, Seller
from chalicelib.postal_address import PostalAddress

_GUIDELINE = "urn:cen.eu:en16931:2017"
_NAMESPACES = {
    "xmlns:rsm": "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100",
    "xmlns:ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100",
    "xmlns:udt": "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100",
}
_INVOICE, _CREDIT_NOTE = "380", "381"
_CREDIT_TRANSFER, _SEPA_CREDIT_TRANSFER = "30", "58"

# Characters that XML 1.0 forbids or discourages, or that parsing would change.
_NOT_IN_XML = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


@dataclass(frozen=True)
class EInvoiceLine:
    """A line in the terms of the standard: a price that is not negative, per ``basis`` pieces (None: one)."""

    line: Line
    quantity: Decimal
    price: Decimal
    basis: Decimal | None
    net: Decimal
    category: str
    rate: Decimal | None


@dataclass(frozen=True)
class VatBreakdown:
    """The total of one VAT category and rate; ``rate`` is None when there is none."""

    category: str
    rate: Decimal | None
    taxable: Decimal
    charged: Decimal
    reason: str | None
    reason_code: str | None


@dataclass(frozen=True)
class EInvoice:
    """An invoice in the terms of the standard, with all decisions made. Amounts have at most two decimals."""

    content: Content
    is_credit_note: bool
    positions: tuple[EInvoiceLine, ...]
    breakdown: tuple[VatBreakdown, ...]
    notes: tuple[str, ...]
    seller_vat_number: str | None
    seller_tax_number: str | None
    buyer_vat_number: str | None
    delivered_to: PostalAddress | None
    period: tuple[date | None, date | None] | None
    due_date: date | None
    terms: str | None
    net_total: Decimal
    tax_total: Decimal
    total: Decimal
    prepaid: Decimal
    amount_due: Decimal


def xml_text(value: str | None) -> str:
    """Return a text without the characters that XML 1.0 does not allow, with XML line ends."""
    plain = (value or "").replace("\r\n", "\n").replace("\r", "\n")
    return "".join(one for one in _NOT_IN_XML.sub("", plain) if ord(one) & 0xFFFE != 0xFFFE)


def xml_token(value: str | None) -> str:
    """Return a text as an identifier: on one line, without white space around it."""
    return " ".join(xml_text(value).split())


def buyer_name(buyer: Buyer) -> str:
    """Return the company that the invoice is addressed to."""
    return buyer.company or buyer.account_name


def to_xml(document: EInvoice) -> bytes:
    """Return the XML file, in UTF-8. The same document gives the same bytes."""
    root = Element("rsm:CrossIndustryInvoice", _NAMESPACES)
    context = SubElement(root, "rsm:ExchangedDocumentContext")
    _add_text(SubElement(context, "ram:GuidelineSpecifiedDocumentContextParameter"), "ram:ID", _GUIDELINE)
    _head(SubElement(root, "rsm:ExchangedDocument"), document)
    transaction = SubElement(root, "rsm:SupplyChainTradeTransaction")
    for number, position in enumerate(document.positions, 1):
        _line(SubElement(transaction, "ram:IncludedSupplyChainTradeLineItem"), number, position)
    _agreement(SubElement(transaction, "ram:ApplicableHeaderTradeAgreement"), document)
    _delivery(SubElement(transaction, "ram:ApplicableHeaderTradeDelivery"), document)
    _settlement(SubElement(transaction, "ram:ApplicableHeaderTradeSettlement"), document)
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'.encode()


def _add_text(parent: Element, name: str, value: str, **attributes: str) -> None:
    """Add an element with a text; an empty one is omitted, as the standard requires."""
    if value.strip():
        SubElement(parent, name, attributes).text = value


def _format_decimal(value: Decimal) -> str:
    return format(value, "f")


def _add_date(parent: Element, name: str, day: date | None) -> None:
    if day is not None:
        _add_text(SubElement(parent, name), "udt:DateTimeString", day.isoformat().replace("-", ""), format="102")


def _add_period(parent: Element, start: date | None, end: date | None) -> None:
    if start or end:
        period = SubElement(parent, "ram:BillingSpecifiedPeriod")
        _add_date(period, "ram:StartDateTime", start)
        _add_date(period, "ram:EndDateTime", end)


def _head(head: Element, document: EInvoice) -> None:
    content = document.content
    _add_text(head, "ram:ID", xml_token(content.number))  # BT-1
    _add_text(head, "ram:TypeCode", _CREDIT_NOTE if document.is_credit_note else _INVOICE)  # BT-3
    _add_date(head, "ram:IssueDateTime", content.issue_date)  # BT-2
    for note in document.notes:
        if xml_text(note).strip():
            _add_text(SubElement(head, "ram:IncludedNote"), "ram:Content", xml_text(note))  # BT-22


def _line(item: Element, number: int, position: EInvoiceLine) -> None:
    line = position.line
    _add_text(SubElement(item, "ram:AssociatedDocumentLineDocument"), "ram:LineID", str(number))  # BT-126
    product = SubElement(item, "ram:SpecifiedTradeProduct")
    _add_text(product, "ram:SellerAssignedID", xml_token(line.product_code))  # BT-155
    _add_text(product, "ram:Name", xml_text(line.description))  # BT-153
    _add_text(product, "ram:Description", xml_text(line.details))  # BT-154
    price = SubElement(SubElement(item, "ram:SpecifiedLineTradeAgreement"), "ram:NetPriceProductTradePrice")
    _add_text(price, "ram:ChargeAmount", _format_decimal(position.price))  # BT-146
    if position.basis is not None:
        _add_text(price, "ram:BasisQuantity", _format_decimal(position.basis), unitCode=line.unit)  # BT-149
    delivered = SubElement(item, "ram:SpecifiedLineTradeDelivery")
    _add_text(delivered, "ram:BilledQuantity", _format_decimal(position.quantity), unitCode=line.unit)  # BT-129
    settlement = SubElement(item, "ram:SpecifiedLineTradeSettlement")
    tax = SubElement(settlement, "ram:ApplicableTradeTax")
    _add_text(tax, "ram:TypeCode", "VAT")
    _add_text(tax, "ram:CategoryCode", position.category)  # BT-151
    _rate(tax, position.rate)  # BT-152
    _add_period(settlement, line.period_start, line.period_end)  # BG-26
    summation = SubElement(settlement, "ram:SpecifiedTradeSettlementLineMonetarySummation")
    _add_text(summation, "ram:LineTotalAmount", _format_decimal(position.net))  # BT-131


def _rate(tax: Element, rate: Decimal | None) -> None:
    if rate is not None:
        _add_text(tax, "ram:RateApplicablePercent", _format_decimal(rate.normalize() + 0))


def _agreement(agreement: Element, document: EInvoice) -> None:
    content = document.content
    _seller(SubElement(agreement, "ram:SellerTradeParty"), content.seller, document)
    _buyer(SubElement(agreement, "ram:BuyerTradeParty"), content.buyer, document)
    if xml_token(content.po_number):
        order = SubElement(agreement, "ram:BuyerOrderReferencedDocument")
        _add_text(order, "ram:IssuerAssignedID", xml_token(content.po_number))  # BT-13


def _seller(party: Element, seller: Seller, document: EInvoice) -> None:
    _add_text(party, "ram:Name", xml_text(seller.legal_name))  # BT-27
    trading_name = seller.name if seller.name != seller.legal_name else None
    _organization(party, seller.registration_number, trading_name)  # BT-30, BT-28
    _contact(party, None, seller.email)  # BT-43
    _address(party, seller.address)  # BG-5
    if xml_token(seller.email):
        _add_text(
            SubElement(party, "ram:URIUniversalCommunication"), "ram:URIID", xml_token(seller.email), schemeID="EM"
        )
    _registration(party, document.seller_vat_number, "VA")  # BT-31
    _registration(party, document.seller_tax_number, "FC")  # BT-32


def _buyer(party: Element, buyer: Buyer, document: EInvoice) -> None:
    _add_text(party, "ram:ID", xml_token(buyer.account_id))  # BT-46
    _add_text(party, "ram:Name", xml_text(buyer_name(buyer)))  # BT-44
    _organization(party, buyer.registration_number, None)  # BT-47
    _contact(party, buyer.attention, None)  # BT-56
    _address(party, buyer.address)  # BG-8
    _registration(party, document.buyer_vat_number, "VA")  # BT-48


def _organization(party: Element, number: str | None, trading_name: str | None) -> None:
    if xml_token(number) or xml_text(trading_name).strip():
        organization = SubElement(party, "ram:SpecifiedLegalOrganization")
        _add_text(organization, "ram:ID", xml_token(number))
        _add_text(organization, "ram:TradingBusinessName", xml_text(trading_name))


def _contact(party: Element, name: str | None, email: str | None) -> None:
    if xml_text(name).strip() or xml_token(email):
        contact = SubElement(party, "ram:DefinedTradeContact")
        _add_text(contact, "ram:PersonName", xml_text(name))
        if xml_token(email):
            _add_text(SubElement(contact, "ram:EmailURIUniversalCommunication"), "ram:URIID", xml_token(email))


def _address(party: Element, address: PostalAddress | None) -> None:
    if address is not None:
        postal = SubElement(party, "ram:PostalTradeAddress")
        _add_text(postal, "ram:PostcodeCode", xml_token(address.postal_code))
        _add_text(postal, "ram:LineOne", xml_text(address.line1))
        _add_text(postal, "ram:LineTwo", xml_text(address.line2))
        _add_text(postal, "ram:CityName", xml_text(address.city))
        _add_text(postal, "ram:CountryID", xml_token(address.country))
        _add_text(postal, "ram:CountrySubDivisionName", xml_text(address.region))


def _registration(party: Element, number: str | None, scheme: str) -> None:
    if number:
        _add_text(SubElement(party, "ram:SpecifiedTaxRegistration"), "ram:ID", number, schemeID=scheme)


def _delivery(delivery: Element, document: EInvoice) -> None:
    buyer = document.content.buyer
    recipient = SubElement(delivery, "ram:ShipToTradeParty")
    if xml_text(buyer.bill_group_name).strip():
        _add_text(recipient, "ram:Name", xml_text(buyer.bill_group_name))  # BT-70
    else:
        _add_text(recipient, "ram:ID", xml_token(buyer.bill_group_id))  # BT-71
    _address(recipient, document.delivered_to)  # BG-15


def _settlement(settlement: Element, document: EInvoice) -> None:
    content = document.content
    stated = content.payment_reference.value if content.payment_reference else content.number
    _add_text(settlement, "ram:PaymentReference", xml_token(stated))  # BT-83
    _add_text(settlement, "ram:InvoiceCurrencyCode", content.currency)  # BT-5
    if not document.is_credit_note:
        _payment_means(settlement, content)
    for vat in document.breakdown:
        tax = SubElement(settlement, "ram:ApplicableTradeTax")  # BG-23
        _add_text(tax, "ram:CalculatedAmount", _format_decimal(vat.charged))
        _add_text(tax, "ram:TypeCode", "VAT")
        _add_text(tax, "ram:ExemptionReason", vat.reason or "")
        _add_text(tax, "ram:BasisAmount", _format_decimal(vat.taxable))
        _add_text(tax, "ram:CategoryCode", vat.category)
        _add_text(tax, "ram:ExemptionReasonCode", vat.reason_code or "")
        _rate(tax, vat.rate)
    if document.period is not None:
        _add_period(settlement, *document.period)  # BG-14
    if document.due_date or document.terms:
        terms = SubElement(settlement, "ram:SpecifiedTradePaymentTerms")
        _add_text(terms, "ram:Description", document.terms or "")  # BT-20
        _add_date(terms, "ram:DueDateDateTime", document.due_date)  # BT-9
    summation = SubElement(settlement, "ram:SpecifiedTradeSettlementHeaderMonetarySummation")
    _add_text(summation, "ram:LineTotalAmount", _format_decimal(document.net_total))
    _add_text(summation, "ram:TaxBasisTotalAmount", _format_decimal(document.net_total))
    _add_text(summation, "ram:TaxTotalAmount", _format_decimal(document.tax_total), currencyID=content.currency)
    _add_text(summation, "ram:GrandTotalAmount", _format_decimal(document.total))
    if document.prepaid:
        _add_text(summation, "ram:TotalPrepaidAmount", _format_decimal(document.prepaid))
    _add_text(summation, "ram:DuePayableAmount", _format_decimal(document.amount_due))
    for number in content.preceding_numbers:
        if xml_token(number):
            preceding = SubElement(settlement, "ram:InvoiceReferencedDocument")
            _add_text(preceding, "ram:IssuerAssignedID", xml_token(number))  # BT-25


def _payment_means(settlement: Element, content: Content) -> None:
    bank = content.seller.bank_details
    if bank is None or not (xml_token(bank.iban) or xml_token(bank.account_number)):
        return
    means = SubElement(settlement, "ram:SpecifiedTradeSettlementPaymentMeans")
    is_sepa = content.currency == "EUR" and xml_token(bank.iban)
    _add_text(means, "ram:TypeCode", _SEPA_CREDIT_TRANSFER if is_sepa else _CREDIT_TRANSFER)  # BT-81
    account = SubElement(means, "ram:PayeePartyCreditorFinancialAccount")
    iban = xml_token(bank.iban).replace(" ", "")
    _add_text(account, "ram:IBANID", iban)  # BT-84
    _add_text(account, "ram:AccountName", xml_text(bank.account_holder))  # BT-85
    if not iban:
        _add_text(account, "ram:ProprietaryID", xml_token(bank.account_number))
    if xml_token(bank.bic):
        institution = SubElement(means, "ram:PayeeSpecifiedCreditorFinancialInstitution")
        _add_text(institution, "ram:BICID", xml_token(bank.bic))  # BT-86
