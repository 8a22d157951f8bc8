"""Numbers of all countries that python-stdnum knows, from its own examples, in the forms in which they are written."""

from pathlib import Path

import pytest
from stdnum import get_cc_module
from stdnum.exceptions import InvalidChecksum, ValidationError

from chalicelib.tax_numbers import (
    compact_european_number,
    find_number_of_kind_fault,
    find_tax_number_fault,
    is_placeholder,
    vat_number_with_letters,
)

EXAMPLES = [line.split("\t") for line in Path(__file__).with_name("tax_numbers.tsv").read_text().splitlines()]
LETTERS = {"GR": ("EL", "GR"), "GB": ("GB", "XI")}


def is_valid(country: str, kind: str, number: str) -> bool:
    module = get_cc_module(country.lower(), kind)
    assert module is not None
    try:
        module.validate(number)
    except ValidationError:
        return False
    return True


def test_the_examples_are_of_every_country_that_the_library_knows() -> None:
    assert len({country for country, _, _ in EXAMPLES}) == 79
    assert all(is_valid(*example) for example in EXAMPLES)


def test_every_valid_number_is_accepted_in_every_form() -> None:
    refused = []
    for country, kind, number in EXAMPLES:
        forms = [number, number.lower(), f" {number} "]
        forms += [form for form in ("".join(number.split()), number.replace("-", "")) if is_valid(country, kind, form)]
        for letters in LETTERS.get(country, (country,)):
            if kind != "stnr":
                forms += [f"{letters}{number}", f"{letters} {number}", f"{letters}-{number}"]
        for form in forms:
            for address in (country, None):
                fault = find_tax_number_fault(form, address)
                if fault or is_placeholder(form):
                    refused.append((form, address, fault))
    assert refused == []


def test_wrong_check_digits_are_refused_and_the_country_named() -> None:
    refused, tried = 0, 0
    for country, kind, number in EXAMPLES:
        module = get_cc_module(country.lower(), kind)
        vat = get_cc_module(country.lower(), "vat")
        assert module is not None
        for at, digit in enumerate(number):
            if not digit.isdigit() or module is not vat:
                continue
            wrong = f"{number[:at]}{(int(digit) + 1) % 10}{number[at + 1 :]}"
            try:
                module.validate(wrong)
            except InvalidChecksum:
                tried += 1
                refused += find_tax_number_fault(wrong, country) is not None
            except ValidationError:
                continue
    # The rest happens to be valid as another kind of number of the same country.
    assert tried > 2000
    assert refused > 0.95 * tried


@pytest.mark.parametrize("address", [None, "right"])
@pytest.mark.parametrize(
    ("country", "number"),
    [
        ("MX", "ALD950921G27"),
        ("MX", "MAB-930714-8T4"),
        ("MX", "EUDC 730505 US6"),
        ("BY", "MA1953684"),
        ("AU", "AU51824753556"),
        ("CH", "CHE-107.787.577"),
        ("CH", "CHE-107.787.577 MWST"),
        ("CH", "CHE-107.787.577 TVA"),
        ("LI", "CHE-107.787.577"),
        ("NO", "NO995525828"),
        ("NO", "NO 995 525 828 MVA"),
        ("AR", "AR20-05536168-2"),
        ("GR", "EL094259216"),
        ("GB", "XI980780684"),
        ("IE", "IE8D79739I"),
        ("AT", "ATU13585627"),
        ("US", "EU372022452"),
        ("CL", "RUT 76086428-5"),
        ("DE", "USt-IdNr. DE136695976"),
        ("US", "12-3456789"),
        ("NG", "12345678-0001"),
    ],
)
def test_numbers_that_are_known_to_be_valid(country: str, number: str, address: str | None) -> None:
    assert find_tax_number_fault(number, address and country) is None
    assert not is_placeholder(number)


@pytest.mark.parametrize(
    ("country", "number"),
    [
        ("MY", "SG10234567080"),  # Letters of Malaysia's own, which are not Singapore's.
        ("JP", "T8700110005901"),
        ("CA", "1023456789 TQ0001"),
        ("GH", "GHA-727112345-1"),
        ("DE", "37/123/45678"),
        ("AT", "DE136695976"),
        ("HK", "DE136695976"),
    ],
)
def test_the_address_tells_the_country(country: str, number: str) -> None:
    assert find_tax_number_fault(number, country) is None


@pytest.mark.parametrize(
    ("number", "address", "said"),
    [
        ("DE136695977", None, "Germany, the country of the letters that it begins with: its check digits do not fit"),
        ("DE136695977", "DE", "Germany, the country of the letters that it begins with: its check digits do not fit"),
        ("DE136695977", "FR", "Germany, the country of the letters that it begins with: its check digits do not fit"),
        ("136695977", "DE", "Germany, the country of the address: its check digits do not fit"),
        ("DE1366959", None, "Germany, the country of the letters that it begins with: it has too few or too many"),
        ("EL094259217", None, "Greece, the country of the letters that it begins with: its check digits do not fit"),
        ("CHE-107.787.578", None, "Switzerland, the country of the letters"),
        ("RUT 76086428-4", "CL", "Chile, the country of the address: its check digits do not fit"),
        ("NO995525829", "NO", "Norway, the country of the letters"),
        ("EU3720224", None, "the European Union, the country of the letters"),
    ],
)
def test_the_refusal_says_why_and_the_way_out(number: str, address: str | None, said: str) -> None:
    fault = find_tax_number_fault(number, address)
    assert fault is not None
    assert said in fault
    assert "Compare it with the register, or leave it out." in fault


@pytest.mark.parametrize("number", ["n/a", "N.A.", "none", "-", "0000000", "unknown", "tbd", "xxx", "DE", "DE 000"])
def test_a_placeholder_is_no_number(number: str) -> None:
    assert is_placeholder(number)


@pytest.mark.parametrize("number", ["1111111", "11-1111111", "TIN 99999999"])
@pytest.mark.parametrize("address", ["BR", "DE", "NG", "US", None])
def test_one_digit_repeated_is_no_tax_number(number: str, address: str | None) -> None:
    fault = find_tax_number_fault(number, address)
    assert fault is not None
    assert "one digit, repeated" in fault
    assert not is_placeholder(number)


def test_one_digit_repeated_is_taken_where_its_check_digits_fit() -> None:
    assert find_tax_number_fault("999999999", "NO") is None
    assert find_tax_number_fault("999999999", None) is not None


@pytest.mark.parametrize("number", ["HRB 1", "XAXX010101000", "12-3456789", "RSSMRAQRCMNFNLRG", "١٢٣"])
def test_no_placeholder(number: str) -> None:
    assert not is_placeholder(number)


def test_a_kind_of_the_country_is_checked_and_others_are_taken() -> None:
    assert find_number_of_kind_fault("ABN", "51 824 753 556", "AU") is None
    assert "not a valid ABN of Australia" in (find_number_of_kind_fault("ABN", "51 824 753 557", "AU") or "")
    assert find_number_of_kind_fault("EIN", "12-3456789", "US") is None
    assert find_number_of_kind_fault("HRB", "11223", "DE") is None
    assert find_number_of_kind_fault("ABN", "51 824 753 557", None) is None
    assert find_number_of_kind_fault("Steuernummer", "37/123/45678", "DE") is None


@pytest.mark.parametrize(
    ("number", "country", "compact"),
    [
        ("DE 136 695 976", None, "DE136695976"),
        ("EL 094259216", "GR", "EL094259216"),
        ("CHE-107.787.577 MWST", "CH", "CHE107787577MWST"),
        ("ALD950921G27", "MX", None),
        ("MAB-930714-8T4", None, None),
        ("SG10234567080", "MY", None),
        ("136695976", "DE", None),
        ("UA123456789", "UA", "UA123456789"),
    ],
)
def test_letters_of_a_country(number: str, country: str | None, compact: str | None) -> None:
    assert vat_number_with_letters(number, country) == compact


def test_european_numbers_have_one_form() -> None:
    assert compact_european_number("de 136 695 976") == "DE136695976"
    assert compact_european_number("EL 094 259 216") == "EL094259216"
    assert compact_european_number("CHE-107.787.577") is None
    assert compact_european_number("DE136695977") is None
