"""Staff, decided over plain values."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from chalicelib.entities.rules import Entity
from chalicelib.staff.rules import StaffMember, group_mail_recipients

ENTITY = Entity("acme", "Acme", "#1a2b3c", "mail@acme.example", "en", "Europe/London")


def members(count: int) -> list[StaffMember]:
    return [
        StaffMember(f"s{number}@vendor.example", "S", "agent", datetime(2026, 1, 1, tzinfo=UTC))
        for number in range(count)
    ]


@pytest.mark.parametrize(("count", "sizes"), [(1, [1]), (45, [45]), (46, [45, 1]), (100, [45, 45, 10])])
def test_a_notice_is_split_as_ses_limits_the_recipients(count: int, sizes: list[int]) -> None:
    mails = group_mail_recipients(members(count), ENTITY)
    assert [len(recipients) for recipients in mails] == sizes
    assert [email for recipients in mails for email in recipients] == [one.email for one in members(count)]


def test_without_staff_the_issuing_entity_is_notified() -> None:
    assert group_mail_recipients([], ENTITY) == [("mail@acme.example",)]
    assert group_mail_recipients([], replace(ENTITY, reply_to="reply@acme.example")) == [("reply@acme.example",)]
    supported = replace(ENTITY, reply_to="reply@acme.example", support_email="help@acme.example")
    assert group_mail_recipients([], supported) == [("help@acme.example",)]
