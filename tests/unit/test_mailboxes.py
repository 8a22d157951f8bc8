"""The mailbox of an address."""

import pytest

from chalicelib.mailboxes import mailbox_of


@pytest.mark.parametrize(
    ("email", "mailbox"),
    [
        ("ann@example.com", "ann@example.com"),
        ("ann+news@example.com", "ann@example.com"),
        ("ann+a+b@example.com", "ann@example.com"),
        ("ann+@example.com", "ann@example.com"),
        ("+ann@example.com", "+ann@example.com"),
        ("ann.lee-x@example.com", "ann.lee-x@example.com"),
    ],
)
def test_a_tag_makes_no_other_mailbox(email: str, mailbox: str) -> None:
    assert mailbox_of(email) == mailbox
    assert mailbox_of(mailbox) == mailbox
