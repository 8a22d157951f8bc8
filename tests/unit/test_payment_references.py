"""References of the examples that their standards, banks and common libraries publish."""

import pytest
from stdnum import iso11649
from stdnum.ch import esr

from chalicelib.payment_references import (
    KINDS,
    InvalidReferenceError,
    PaymentReference,
    format_payment_reference,
    is_qr_iban,
    parse_payment_reference,
)

VALID = [
    ("qrr", "21 00000 00003 13947 14300 09017", "210000000003139471430009017", "21 00000 00003 13947 14300 09017"),
    ("qrr", "18 78583", "000000000000000000001878583", "00 00000 00000 00000 00018 78583"),
    ("iso11649", "RF18 5390 0754 7034", "RF18539007547034", "RF18 5390 0754 7034"),
    ("iso11649", "rf18539007547034", "RF18539007547034", "RF18 5390 0754 7034"),
    ("be_ogm", "+++010/8068/17183+++", "010806817183", "+++010/8068/17183+++"),
    ("be_ogm", "***090/9337/55493***", "090933755493", "+++090/9337/55493+++"),
    ("fi_viite", "2340 96783", "234096783", "2340 96783"),
    ("fi_viite", "1234561", "1234561", "12 34561"),
    ("no_kid", "12344", "12344", "12344"),
    ("no_kid", "12343", "12343", "12343"),
    ("no_kid", "2345676", "2345676", "2345676"),
    ("no_kid", "12345678903", "12345678903", "12345678903"),
    ("se_ocr", "1212121212", "1212121212", "1212121212"),
    ("si", "SI05 19-1235-84503", "SI0519-1235-84503", "SI05 19-1235-84503"),
    ("si", "SI00 1-2-3", "SI001-2-3", "SI00 1-2-3"),
    ("si", "SI99", "SI99", "SI99"),
    ("free", "  Contract  7 ", "Contract 7", "Contract 7"),
]
INVALID = [
    ("qrr", "210000000003139471430009018"),
    ("qrr", "000000000000000000000000000"),
    ("qrr", "RE-2026-17"),
    ("iso11649", "RF19539007547034"),
    ("iso11649", "RE-2026-17"),
    ("be_ogm", "+++010/8068/17184+++"),
    ("be_ogm", "12345"),
    ("fi_viite", "234096784"),
    ("fi_viite", "000"),
    ("fi_viite", "0000"),
    ("no_kid", "12345"),
    ("no_kid", "2345674"),
    ("no_kid", "1"),
    ("no_kid", "12345678901234567890123456"),
    ("se_ocr", "1212121213"),
    ("si", "SI05 18-1235-84503"),
    ("si", "SI77 1"),
    ("si", "SI00"),
    ("si", "SI00 1-2-3-4"),
    ("si", "SI00 123456789012345678901"),
    ("free", " "),
    ("free", "x" * 141),
]


@pytest.mark.parametrize(("kind", "sent", "value", "printed"), VALID)
def test_a_valid_reference_is_kept_compact_and_printed_in_groups(
    kind: str, sent: str, value: str, printed: str
) -> None:
    reference = parse_payment_reference(kind, sent)
    assert reference == PaymentReference(kind, value)
    assert format_payment_reference(reference) == printed
    assert parse_payment_reference(kind, value) == parse_payment_reference(kind, printed) == reference


@pytest.mark.parametrize(("kind", "sent"), INVALID)
def test_an_invalid_reference_is_refused(kind: str, sent: str) -> None:
    with pytest.raises(InvalidReferenceError):
        parse_payment_reference(kind, sent)


def test_every_kind_has_an_example() -> None:
    assert {kind for kind, *_ in VALID} == {kind for kind, _ in INVALID} == set(KINDS)


@pytest.mark.parametrize("kind", ["qrr", "be_ogm", "fi_viite", "se_ocr", "iso11649"])
def test_each_single_wrong_digit_is_noticed(kind: str) -> None:
    value = next(value for of, _, value, _ in VALID if of == kind)
    for at in range(4 if kind == "iso11649" else 0, len(value)):
        with pytest.raises(InvalidReferenceError):
            parse_payment_reference(kind, f"{value[:at]}{(int(value[at]) + 1) % 10}{value[at + 1 :]}")


def test_the_libraries_agree() -> None:
    assert iso11649.is_valid("RF18539007547034")
    assert esr.is_valid("210000000003139471430009017")


def test_which_ibans_are_qr_ibans() -> None:
    assert is_qr_iban("CH44 3199 9123 0008 8901 2")
    assert not is_qr_iban("CH9300762011623852957")
    assert not is_qr_iban("DE89370400440532013000")
