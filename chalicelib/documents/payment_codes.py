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
from chalicelib.postal_address import PostalAddress

_MAX_AMOUNT = 99_999_999_999
"""The maximum amount in minor units of both standards."""
_EPC_MAX_BYTES = 331
_SWISS_MAX_CHARACTERS = 997
_SWISS_COUNTRIES = ("CH", "LI")
_SWISS_LETTERS = frozenset(
    chr(code) for first, last in ((0x20, 0x7E), (0xA0, 0xAC), (0xAE, 0x17F)) for code in range(first, last + 1)
) | frozenset("ȘșȚț€")
_MODULO_10_CARRY = (0, 9, 4, 6, 8, 2, 7, 1, 3, 5)


@dataclass(frozen=True)
class Party:
    """A payer or payee."""

    name: str
    address: PostalAddress | None = None


@dataclass(frozen=True)
class Transfer:
    """A payment by bank transfer. ``amount`` is in minor units of ``currency``, ``reason`` what the payer states."""

    creditor: Party
    iban: str
    amount: int
    currency: str
    reason: str
    bic: str | None = None
    debtor: Party | None = None


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
    bic = bics.compact(transfer.bic) if transfer.bic and bics.is_valid(transfer.bic) else ""
    name, reason = (
        printable_text.to_single_line(transfer.creditor.name)[:70],
        printable_text.to_single_line(transfer.reason)[:140],
    )
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
        "",
        reason,
    )
    payload = "\n".join(fields)
    return payload if len(payload.encode()) <= _EPC_MAX_BYTES else None


def build_swiss_bill(transfer: Transfer) -> SwissBill | None:
    """Return the Swiss QR bill, or None if the standard cannot express the transfer.

    A QR-IBAN needs a reference of digits; it is derived from ``reason`` if that has only digits.
    """
    iban = ibans.compact(transfer.iban)
    creditor = _swiss_party_fields(transfer.creditor)
    fits = transfer.currency == "CHF" and iban[:2] in _SWISS_COUNTRIES and 1 <= transfer.amount <= _MAX_AMOUNT
    if not fits or creditor is None or not ibans.is_valid(iban):
        return None
    kind, reference = "NON", ""
    if iban[4:9].isdigit() and 30000 <= int(iban[4:9]) <= 31999:
        if not (transfer.reason.isascii() and transfer.reason.isdigit() and len(transfer.reason) <= 26):
            return None
        kind, reference = "QRR", _build_qr_reference(transfer.reason)
    debtor = _swiss_party_fields(transfer.debtor) if transfer.debtor else None
    reason = (_to_swiss_text(printable_text.to_single_line(transfer.reason)) or "")[:140]
    amount = f"{money.to_major_units(transfer.amount, 'CHF'):.2f}"
    fields = (
        *("SPC", "0200", "1", iban),
        *creditor,
        *("",) * 7,
        *(amount, "CHF"),
        *(debtor or ("",) * 7),
        *(kind, reference, reason, "EPD"),
    )
    payload = "\n".join(fields)
    if len(payload) > _SWISS_MAX_CHARACTERS:
        return None
    return SwissBill(
        payload,
        _printed_party(creditor),
        _printed_party(debtor) if debtor else (),
        format_iban(iban),
        _format_qr_reference(reference) or None,
        reason,
        "CHF",
        f"{money.to_major_units(transfer.amount, 'CHF'):,.2f}".replace(",", " "),
    )


def render_qr_code(payload: str, quiet_zone: int) -> bytes:
    """Return the QR code of ``payload`` as PNG, at error correction M as both standards ask.

    ``quiet_zone`` is the white margin in modules: readers need four (ISO/IEC 18004). 0 where the layout has it.
    """
    code = segno.make_qr(payload, error="m", encoding="utf-8", boost_error=False)
    made = BytesIO()
    code.save(made, kind="png", scale=8, border=quiet_zone)
    return made.getvalue()


def _format_qr_reference(reference: str) -> str:
    """Return a QR reference as it is printed: two digits, then groups of five."""
    return " ".join([reference[:2], *(reference[at : at + 5] for at in range(2, len(reference), 5))]).strip()


def _build_qr_reference(digits: str) -> str:
    """Return the QR reference of a number of at most 26 digits: 26 digits and a check digit (recursive modulo 10)."""
    padded = digits.zfill(26)
    carry = 0
    for digit in padded:
        carry = _MODULO_10_CARRY[(carry + int(digit)) % 10]
    return f"{padded}{(10 - carry) % 10}"


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
