"""Payment references of the billing system's own: what a payer states, so that the payment is matched (I9).

Each kind has a check of its own: QR reference and creditor reference (Swiss Implementation Guidelines QR-bill, ISO
11649), the Belgian structured communication, the Finnish viite, the Norwegian KID, the Swedish OCR number and the
Slovenian reference; a free one has none.
"""

import re
from dataclasses import dataclass
from itertools import cycle

from stdnum import iso11649, luhn
from stdnum.be import ogm_vcs
from stdnum.ch import esr
from stdnum.exceptions import ValidationError

QRR, ISO11649, BELGIAN, FINNISH, NORWEGIAN, SWEDISH, SLOVENIAN, FREE = (
    "qrr", "iso11649", "be_ogm", "fi_viite", "no_kid", "se_ocr", "si", "free",
)  # fmt: skip
MAX_FREE_LENGTH = 140
"""What a SEPA credit transfer has room for."""
_SEPARATORS = re.compile(r"[\s\u00a0./+*]")
_SLOVENIAN = re.compile(r"SI(?P<model>[0-9]{2})(?P<content>[0-9]{1,20}|(?=[0-9-]{3,22}$)[0-9]+(-[0-9]+){1,2}|)")
_FIRST, _FIRST_TWO = ((0,),), ((0,), (1,))
_CHECKED_PARTS: dict[str, tuple[tuple[int, ...], ...]] = {
    "00": (), "01": ((0, 1, 2),), "02": ((1,), (2,)), "03": ((0,), (1,), (2,)), "04": ((0,), (2,)), "05": _FIRST,
    "06": ((1, 2),), "07": ((1,),), "08": ((0, 1), (2,)), "09": ((0, 1),), "10": ((0,), (1, 2)), "12": _FIRST,
    "55": _FIRST,
    **dict.fromkeys(
        ("11", "18", "19", "21", "28", "31", "38", "40", "41", "48", "49", "51", "58"), _FIRST_TWO
    ),
}  # fmt: skip
"""For each Slovenian model, the parts that end with a check digit over themselves; it has no others."""


@dataclass(frozen=True)
class PaymentReference:
    """What a payer states: a number of its ``kind``, in the form in which it is transmitted."""

    kind: str
    value: str


class InvalidReferenceError(ValueError):
    """A text is no reference of its kind; the message says why, and the way out."""


def parse_payment_reference(kind: str, text: str) -> PaymentReference:
    """Return a reference in the form in which it is transmitted, without the separators of print.

    Raises InvalidReferenceError.
    """
    if kind == FREE:
        value = " ".join(text.split())
        if not value or len(value) > MAX_FREE_LENGTH:
            raise InvalidReferenceError(f"A free payment reference has 1 to {MAX_FREE_LENGTH} characters.")
        return PaymentReference(kind, value)
    name, form, check = _KINDS[kind]
    compact = _SEPARATORS.sub("", text).upper()
    if kind == QRR and compact.isdigit():
        # Programs that take the reference for a number lose its leading zeros.
        compact = compact.zfill(27)
    if form.fullmatch(compact) is None or not compact.isascii():
        raise InvalidReferenceError(f"This is not a {name}. Send it as the billing system has made it.")
    if not check(compact):
        raise InvalidReferenceError(f"This is not a {name}: its check digit does not fit. Send it without a mistake.")
    return PaymentReference(kind, compact)


def format_payment_reference(reference: PaymentReference) -> str:
    """Return a reference as people read it, in the groups that are usual for its kind."""
    value = reference.value
    if reference.kind == QRR:
        return " ".join([value[:2], *(value[at : at + 5] for at in range(2, 27, 5))])
    if reference.kind == ISO11649:
        return " ".join(value[at : at + 4] for at in range(0, len(value), 4))
    if reference.kind == BELGIAN:
        return f"+++{value[:3]}/{value[3:7]}/{value[7:]}+++"
    if reference.kind == FINNISH:
        first = len(value) % 5
        return " ".join(
            [*([value[:first]] if first else []), *(value[at : at + 5] for at in range(first, len(value), 5))]
        )
    if reference.kind == SLOVENIAN:
        return f"{value[:4]} {value[4:]}".strip()
    return value


def is_qr_iban(iban: str) -> bool:
    """Tell whether an IBAN is a Swiss QR-IBAN, to which nothing can be paid without a QR reference."""
    compact = iban.replace(" ", "").upper()
    return compact[:2] in ("CH", "LI") and compact[4:9].isdigit() and 30000 <= int(compact[4:9]) <= 31999


def _accepts_qr(value: str) -> bool:
    return value.strip("0") != "" and esr.is_valid(value)


def _accepts_norwegian(value: str) -> bool:
    if luhn.is_valid(value):
        return True
    total = sum(int(digit) * weight for digit, weight in zip(reversed(value[:-1]), cycle((2, 3, 4, 5, 6, 7))))
    check = (11 - total % 11) % 11
    return value[-1] == ("-" if check == 10 else str(check))


def _accepts_finnish(value: str) -> bool:
    total = sum(int(digit) * weight for digit, weight in zip(reversed(value[:-1]), cycle((7, 3, 1))))
    return value.strip("0") != "" and (10 - total % 10) % 10 == int(value[-1])


def _accepts_belgian(value: str) -> bool:
    try:
        return bool(ogm_vcs.validate(value))
    except ValidationError:
        return False


def _accepts_slovenian(value: str) -> bool:
    found = _SLOVENIAN.fullmatch(value)
    if found is None:
        return False
    model, content = found["model"], found["content"]
    if model == "99":
        return not content
    if model not in _CHECKED_PARTS or not content:
        return False
    parts = content.split("-")
    for checked in _CHECKED_PARTS[model]:
        digits = "".join(parts[at] for at in checked if at < len(parts))
        if digits and _eleven(digits[:-1]) != digits[-1]:
            return False
    return True


def _eleven(digits: str) -> str:
    """Return the check digit modulo 11 with the weights 2, 3, 4 … from the right; 10 and 11 become 0."""
    check = 11 - sum(int(digit) * weight for weight, digit in enumerate(reversed(digits), 2)) % 11
    return str(check if check < 10 else 0)


_KINDS = {
    QRR: ("QR reference of 27 digits", re.compile("[0-9]{27}"), _accepts_qr),
    ISO11649: ("creditor reference (ISO 11649), such as RF18 5390 0754 7034",
               re.compile("RF[0-9]{2}[0-9A-Z]{1,21}"), iso11649.is_valid),
    BELGIAN: ("Belgian structured communication of 12 digits", re.compile("[0-9]{12}"), _accepts_belgian),
    FINNISH: ("Finnish reference number of 4 to 20 digits", re.compile("[0-9]{4,20}"), _accepts_finnish),
    NORWEGIAN: ("KID of 2 to 25 digits", re.compile("[0-9]{1,24}[0-9-]"), _accepts_norwegian),
    SWEDISH: ("OCR number of 2 to 25 digits", re.compile("[0-9]{2,25}"), luhn.is_valid),
    SLOVENIAN: ("Slovenian reference, such as SI05 19-1235-84503", re.compile("SI[0-9]{2}[0-9-]{0,22}"),
                _accepts_slovenian),
}  # fmt: skip
"""For each kind with a check: what it is called, its form, and whether its check digits are right."""
KINDS = (*_KINDS, FREE)
