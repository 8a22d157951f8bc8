"""How bank numbers are printed."""

import pytest

from chalicelib.bank_numbers import format_iban


@pytest.mark.parametrize("sent", ["DE89370400440532013000", "DE89 3704 0044 0532 0130 00", "DE893704 00440532013000"])
def test_an_iban_is_printed_in_groups_of_four(sent: str) -> None:
    assert format_iban(sent) == "DE89 3704 0044 0532 0130 00"
