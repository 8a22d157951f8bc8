"""Payment codes for banking applications: EPC (EUR) and the Swiss QR bill (CHF).

Standards: EPC069-12 of the European Payments Council, and the Swiss Implementation Guidelines QR-bill 2.3. A payment
that does not fit its standard gets no code, and the document shows the bank details only.
"""

import unicodedata
from dataclasses import dataclass
from io import BytesIO

import segno
from stdnum import bic as bics
from stdnum import iban as ibans

from chalicelib import money
from chalicelib.bank_numbers import format_iban
from chalicelib.documents import printable_text
from chalicelib.payment_references import (
    BELGIAN,
    FINNISH,
    ISO11649,
    QRR,
    SLOVENIAN,
    PaymentReference,
    format_payment_reference,
    is_qr_iban,
)
from chalicelib.postal_address import PostalAddress

_MAX_AMOUNT = 99_999_999_999
"""The maximum amount in minor units of both standards."""
_EPC_MAX_BYTES = 331
_SWISS_MAX_CHARACTERS = 997
_SWISS_COUNTRIES = ("CH", "LI")
_SWISS_LETTERS = frozenset(
    chr(code) for first, last in ((0x20, 0x7E), (0xA0, 0xAC), (0xAE, 0x17F)) for code in range(first, last + 1)
) | frozenset("ȘșȚț€")
_EPC_STRUCTURED_KINDS = frozenset({ISO11649, BELGIAN, FINNISH, SLOVENIAN})
"""Kinds that banks of the SEPA area carry as a structured reference; others are stated as text."""
_SWISS_REFERENCE_TYPES = {QRR: "QRR", ISO11649: "SCOR"}


@dataclass(frozen=True)
class Party:
    """A payer or payee."""

    name: str
    address: PostalAddress | None = None


@dataclass(frozen=True)
class Transfer:
    """A payment by bank transfer. ``amount`` is in minor units of ``currency``.

    ``reason`` is what it is for; the payer states ``reference``, if there is one, and the reason otherwise.
    """

    creditor: Party
    iban: str
    amount: int
    currency: str
    reason: str
    bic: str | None = None
    debtor: Party | None = None
    reference: PaymentReference | None = None


@dataclass(frozen=True)
class SwissBill:
    """The texts of a Swiss payment slip, and the payload of its code."""

    payload: str
    creditor: tuple[str, ...]
    debtor: tuple[str, ...]
    """Empty when the debtor does not fit the standard: then the slip has a blank field."""
    iban: str
    reference: str | None
    reason: str
    currency: str
    amount: str


def build_epc_payload(transfer: Transfer) -> str | None:
    """Return the payload of an EPC code, or None where the standard cannot express the transfer."""
    iban = ibans.compact(transfer.iban)
    if transfer.currency != "EUR" or not 1 <= transfer.amount <= _MAX_AMOUNT or not ibans.is_valid(iban):
        return None
    if is_qr_iban(iban):
        # Such an account takes payments of the Swiss QR bill only.
        return None
    bic = bics.compact(transfer.bic) if transfer.bic and bics.is_valid(transfer.bic) else ""
    name, reason = (
        printable_text.to_single_line(transfer.creditor.name)[:70],
        printable_text.to_single_line(_stated(transfer))[:140],
    )
    structured = ""
    if transfer.reference and transfer.reference.kind in _EPC_STRUCTURED_KINDS:
        structured, reason = transfer.reference.value, ""
    # What banks carry as text: no emoji, nor what has no glyph.
    if any(unicodedata.category(character) == "So" for character in name + reason):
        return None
    fields = (
        "BCD",
        "002",
        "1",
        "SCT",
        bic,
        name,
        iban,
        f"EUR{money.to_major_units(transfer.amount, 'EUR'):.2f}",
        "",
        structured,
        reason,
    )
    payload = "\n".join(fields)
    return payload if len(payload.encode()) <= _EPC_MAX_BYTES else None


def _stated(transfer: Transfer) -> str:
    return format_payment_reference(transfer.reference) if transfer.reference else transfer.reason


def build_swiss_bill(transfer: Transfer) -> SwissBill | None:
    """Return the Swiss QR bill, or None if the standard cannot express the transfer.

    A QR-IBAN needs a QR reference, and a QR reference a QR-IBAN; another IBAN takes a creditor reference (ISO 11649) or
    none. In EUR there is a bill for a QR-IBAN only: to others, the payer has the EPC code.
    """
    iban = ibans.compact(transfer.iban)
    reference = transfer.reference
    is_qr = reference is not None and reference.kind == QRR
    if is_qr != is_qr_iban(iban):
        return None
    creditor = _swiss_party_fields(transfer.creditor)
    fits = (
        transfer.currency in (("CHF", "EUR") if is_qr else ("CHF",))
        and iban[:2] in _SWISS_COUNTRIES
        and 1 <= transfer.amount <= _MAX_AMOUNT
    )
    if not fits or creditor is None or not ibans.is_valid(iban):
        return None
    kind = _SWISS_REFERENCE_TYPES.get(reference.kind, "NON") if reference else "NON"
    structured = reference if kind != "NON" else None
    debtor = _swiss_party_fields(transfer.debtor) if transfer.debtor else None
    stated = transfer.reason if structured else _stated(transfer)
    reason = (_to_swiss_text(printable_text.to_single_line(stated)) or "")[:140]
    amount = f"{money.to_major_units(transfer.amount, transfer.currency):.2f}"
    fields = (
        *("SPC", "0200", "1", iban),
        *creditor,
        *("",) * 7,
        *(amount, transfer.currency),
        *(debtor or ("",) * 7),
        *(kind, structured.value if structured else "", reason, "EPD"),
    )
    payload = "\n".join(fields)
    if len(payload) > _SWISS_MAX_CHARACTERS:
        return None
    return SwissBill(
        payload,
        _printed_party(creditor),
        _printed_party(debtor) if debtor else (),
        format_iban(iban),
        format_payment_reference(structured) if structured else None,
        reason,
        transfer.currency,
        f"{money.to_major_units(transfer.amount, transfer.currency):,.2f}".replace(",", " "),
    )


def render_qr_code(payload: str, quiet_zone: int) -> bytes:
    """Return the QR code of ``payload`` as PNG, at error correction M as both standards ask.

    ``quiet_zone`` is the white margin in modules: readers need four (ISO/IEC 18004). 0 where the layout has it.
    """
    code = segno.make_qr(payload, error="m", encoding="utf-8", boost_error=False)
    made = BytesIO()
    code.save(made, kind="png", scale=8, border=quiet_zone)
    return made.getvalue()


def _swiss_party_fields(party: Party) -> tuple[str, ...] | None:
    """Return the seven fields of a party, or None if the standard cannot express it."""
    address = party.address
    if address is None or not (address.postal_code and address.city and address.country):
        return None
    street = ", ".join(line for line in (address.line1, address.line2) if line)
    fields = ("S", party.name, street, "", address.postal_code, address.city, address.country)
    most = (1, 70, 70, 16, 16, 35, 2)
    told = [_to_swiss_text(printable_text.to_single_line(part)) if part else "" for part in fields]
    if any(part is None or len(part) > longest for part, longest in zip(told, most, strict=True)):
        return None
    return tuple(part or "" for part in told)


def _to_swiss_text(text: str) -> str | None:
    """Return the text in the character set of the standard, without accents if necessary; None if that is
    impossible."""
    told = []
    for character in text.replace("−", "-").replace("–", "-").replace("’", "'").replace("…", "..."):
        plain = character if character in _SWISS_LETTERS else unicodedata.normalize("NFKD", character)
        told.append("".join(part for part in plain if not unicodedata.combining(part)) if plain != character else plain)
    whole = "".join(told)
    return whole if all(character in _SWISS_LETTERS for character in whole) else None


def _printed_party(party: tuple[str, ...]) -> tuple[str, ...]:
    _, name, street, _, postal_code, city, country = party
    town = f"{postal_code} {city}" if country in _SWISS_COUNTRIES else f"{country}-{postal_code} {city}"
    return tuple(line for line in (name, street, town) if line)
