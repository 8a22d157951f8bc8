"""The parts that all documents share, as data for the templates: sender, addressee, payment details."""

import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from chalicelib import colours
from chalicelib.address_format import address_lines
from chalicelib.bank_numbers import format_iban
from chalicelib.documents import payment_codes, payment_slip, printable_text
from chalicelib.documents.reader_locale import Localiser
from chalicelib.entities.rules import BankDetails, TaxNumber
from chalicelib.postal_address import PostalAddress

MAX_NUMBER_LENGTH = 80
QUIET_ZONE = 4
_MAX_NAME_LENGTH = 300
_MAX_RUNNING_NAME_LENGTH = 60
# Countries that use Letter paper rather than A4.
_US_LETTER_COUNTRIES = frozenset({"CA", "CL", "CO", "CR", "GT", "MX", "PA", "PH", "PR", "SV", "US", "VE"})


@dataclass(frozen=True)
class LabelledValue:
    """A labelled value, such as a date or a number."""

    label: str
    value: str


@dataclass(frozen=True)
class Sender:
    """The issuing entity. ``colour`` is #rrggbb."""

    name: str
    legal_name: str
    colour: str
    address: PostalAddress | None = None
    tax_numbers: Sequence[TaxNumber] = ()
    registration_number: str | None = None
    email: str | None = None
    website: str | None = None
    bank_details: BankDetails | None = None


@dataclass(frozen=True)
class Addressee:
    """The customer: the account, and the person addressed."""

    name: str
    company: str | None = None
    attention: str | None = None
    address: PostalAddress | None = None


@dataclass(frozen=True)
class Letter:
    """The letter part of a document. ``kind`` and ``number`` form its heading, ``title`` is the document title of
    the file."""

    sender: Sender
    addressee: Addressee
    kind: str
    title: str
    highlights: Sequence[LabelledValue]
    facts: Sequence[LabelledValue]
    number: str = ""


def build_letter_data(letter: Letter, words: Localiser) -> dict[str, Any]:
    """Return the template data of the letter."""
    sender = letter.sender
    country = sender.address.country if sender.address else None
    running_name = printable_text.to_single_line(sender.name, _MAX_RUNNING_NAME_LENGTH)
    return {
        "title": letter.title,
        "author": running_name,
        "paper": "us-letter" if country in _US_LETTER_COUNTRIES else "a4",
        "colours": {
            "accent": colours.readable_on_white(sender.colour),
            "brand": sender.colour,
            "tint": colours.build_palette(sender.colour).tint,
        },
        "sender": {
            "name": printable_text.to_single_line(sender.name, _MAX_NAME_LENGTH),
            "lines": _sender_lines(sender, letter.addressee.address, words),
            "return_address": _return_address(sender, words),
            "logo_alternative": words.say("Logo of %(name)s", name=running_name),
        },
        "addressee": _addressee_lines(letter.addressee, sender.address, words),
        "kind": letter.kind,
        "number": letter.number,
        "highlights": [asdict(fact) for fact in letter.highlights],
        "facts": [asdict(fact) for fact in letter.facts],
        "page": words.say("Page %(page)s of %(pages)s", page="{page}", pages="{pages}"),
        "running": f"{running_name} · {letter.title}",
    }


def build_payment_data(
    bank: BankDetails | None,
    transfer: payment_codes.Transfer | None,
    reference: str,
    portal_url: str | None,
    words: Localiser,
) -> tuple[dict[str, Any] | None, dict[str, bytes]]:
    """Return the template data of the payment details, with the images that they name; None without any."""
    if bank is None and portal_url is None:
        return None, {}
    images: dict[str, bytes] = {}
    told: dict[str, Any] = {
        "heading": words.say("How to pay"),
        "transfer": words.say("By bank transfer"),
        "facts": [asdict(fact) for fact in _bank_facts(bank, reference, words)] if bank else [],
        "code": None,
        "slip": None,
        "link": {"label": words.say("Online, in the customer portal"), "url": portal_url} if portal_url else None,
    }
    if transfer and (payload := payment_codes.build_epc_payload(transfer)):
        images["code"] = payment_codes.render_qr_code(payload, QUIET_ZONE)
        amount = words.money(transfer.amount, transfer.currency)
        told["code"] = {
            "caption": words.say("Scan with your banking app"),
            "alternative": words.say("Payment code (EPC QR) for a bank transfer of %(amount)s", amount=amount),
        }
    elif bank and transfer and (bill := payment_codes.build_swiss_bill(transfer)):
        images["slip"] = payment_codes.render_qr_code(bill.payload, 0)
        told["slip"] = payment_slip.build_slip_data(bill, words.formats.language)
        # The slip says the rest, and leaves room for little else on its page.
        told["facts"] = [asdict(fact) for fact in _bank_facts(replace(bank, iban=None, account_holder=""), "", words)]
    return told, images


def _bank_facts(bank: BankDetails, reference: str, words: Localiser) -> list[LabelledValue]:
    named = (
        ("Account holder", bank.account_holder),
        ("Bank", bank.bank_name),
        ("IBAN", format_iban(bank.iban) if bank.iban else None),
        ("BIC", bank.bic),
        ("Account number", bank.account_number),
        ("Routing number", bank.routing_number),
        ("Reference", reference),
    )
    return [
        LabelledValue(words.say(label), printable_text.to_single_line(value, _MAX_NAME_LENGTH))
        for label, value in named
        if value
    ]


def _sender_lines(sender: Sender, addressee: PostalAddress | None, words: Localiser) -> list[str]:
    legal = [sender.legal_name]
    address = _postal_lines(sender.address, addressee, words)
    numbers = [f"{one.kind} {one.number}" for one in sender.tax_numbers]
    if sender.registration_number:
        numbers.append(f"{words.say('Registration number')} {sender.registration_number}")
    reached = [one for one in (sender.email, sender.website) if one]
    return [printable_text.to_single_line(line, _MAX_NAME_LENGTH) for line in (*legal, *address, *reached, *numbers)]


def _return_address(sender: Sender, words: Localiser) -> str:
    """Return the sender in one line, for the window of an envelope; double-width letters count twice."""
    line = printable_text.to_single_line(
        " · ".join((sender.legal_name, *_postal_lines(sender.address, None, words, country=False)))
    )
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in line)
    return printable_text.to_single_line(line, 96 - min(wide, 48))


def _addressee_lines(addressee: Addressee, sender: PostalAddress | None, words: Localiser) -> list[str]:
    names = dict.fromkeys(name for name in (addressee.company or addressee.name, addressee.attention) if name)
    return [
        printable_text.to_single_line(line, _MAX_NAME_LENGTH)
        for line in (*names, *_postal_lines(addressee.address, sender, words))
    ]


def _postal_lines(
    address: PostalAddress | None, other: PostalAddress | None, words: Localiser, *, country: bool = True
) -> list[str]:
    """Return the lines of an address; the country only where that of the ``other`` party differs or is not known."""
    if address is None:
        return []
    abroad = other is None or other.country != address.country
    return address_lines(address, words.formats, country=country and abroad)
