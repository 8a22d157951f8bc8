"""Who really gets a mail, and how it stands with each of those whom it was meant for."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from chalicelib.mail import recipients
from chalicelib.mail.recipients import Recipients, RecipientStatus
from chalicelib.mail.reports import RecipientReport
from chalicelib.mail.service import Email

A, B, C = "a@x.example", "b@x.example", "c@x.example"
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
EMAIL = Email("eml_1", "acme", "invoice", "sent", "nordlicht", "en", NOW, NOW, (A, B), cc=(C,), sent_at=NOW)


def test_capture_sends_to_nobody() -> None:
    assert recipients.choose_recipients("capture", (A,), ()) == Recipients((), reason="mail_mode_capture")


def test_redirect_sends_everything_to_one_address_and_says_whom_it_was_meant_for() -> None:
    found = recipients.choose_recipients("redirect", (A,), (B,), redirect_to="tests@vendor.example")
    assert found == Recipients(
        ("tests@vendor.example",),
        (),
        (A, B),
        withheld={A: "mail_mode_redirect", B: "mail_mode_redirect"},
        redirected_to="tests@vendor.example",
    )


@pytest.mark.parametrize(
    ("to", "cc", "expected_to", "expected_cc"),
    [
        (("a@vendor.example",), (), ("a@vendor.example",), ()),
        (("A@Vendor.example",), (), ("A@Vendor.example",), ()),
        (("a@sub.vendor.example",), (), (), ()),
        (("a@notvendor.example",), (), (), ()),
        (("x@other.example", "friend@other.example"), (), ("friend@other.example",), ()),
        (("x@other.example",), ("friend@other.example",), ("friend@other.example",), ()),
        (("vendor.example@evil.example",), (), (), ()),
    ],
)
def test_the_allowlist_lets_through_its_addresses_and_domains_only(
    to: tuple[str, ...], cc: tuple[str, ...], expected_to: tuple[str, ...], expected_cc: tuple[str, ...]
) -> None:
    found = recipients.choose_recipients("allowlist", to, cc, allowlist=("vendor.example", "friend@other.example"))
    assert (found.to, found.cc) == (expected_to, expected_cc)
    assert bool(found.meant_for) == bool(found.to and found.withheld)


def test_live_sends_as_it_is_meant() -> None:
    assert recipients.choose_recipients("live", (A,), (B,)) == Recipients((A,), (B,))


@pytest.mark.parametrize("mode", ["live", "redirect", "allowlist", "capture"])
def test_whose_address_is_suppressed_gets_nothing_in_any_mode(mode: str) -> None:
    options = {"redirect_to": "tests@vendor.example", "allowlist": ("x.example",)}
    some = recipients.choose_recipients(mode, (A, B), (C,), suppressed={A}, **options)  # type: ignore[arg-type]
    assert some.withheld[A] == "suppressed"
    assert A not in (*some.to, *some.cc)
    assert bool(some.to) == (mode != "capture")
    none = recipients.choose_recipients(mode, (A,), (C,), suppressed={A, C}, **options)  # type: ignore[arg-type]
    assert (none.to, none.reason) == ((), "suppressed")
    assert dict(none.withheld) == {A: "suppressed", C: "suppressed"}


def test_where_only_copies_are_left_they_are_who_the_mail_is_to() -> None:
    found = recipients.choose_recipients("live", (A,), (B, C), suppressed={A})
    assert (found.to, found.cc, found.count) == ((B, C), (), 2)
    assert found.meant_for == ()


def test_an_address_that_everything_is_redirected_to_may_be_suppressed_too() -> None:
    found = recipients.choose_recipients(
        "redirect", (A,), (), suppressed={"t@vendor.example"}, redirect_to="t@vendor.example"
    )
    assert (found.to, found.reason) == ((), "suppressed")


def test_each_recipient_has_a_status_of_their_own() -> None:
    email = replace(
        EMAIL,
        status="bounced",
        reason="permanent",
        recipients=(
            RecipientReport(
                A, {"delivery": ("2026-03-02T09:00:02.000Z", "250"), "send": ("2026-03-02T09:00:01.000Z", "")}
            ),
            RecipientReport(B, {"permanent_bounce": ("2026-03-02T09:00:03.000Z", "Permanent General")}),
        ),
        withheld={C: "suppressed"},
    )
    assert recipients.recipient_statuses(email) == (
        RecipientStatus(A, False, "delivered", None, "2026-03-02T09:00:02.000Z", "250"),
        RecipientStatus(B, False, "bounced", "permanent", "2026-03-02T09:00:03.000Z", "Permanent General"),
        RecipientStatus(C, True, "withheld", "suppressed"),
    )


def test_of_whom_nothing_was_reported_the_mail_was_sent_though_others_have_bounced() -> None:
    email = replace(
        EMAIL,
        status="bounced",
        reason="permanent",
        recipients=(RecipientReport(A, {"permanent_bounce": ("2026-03-02T09:00:03.000Z", "")}),),
    )
    assert [one.status for one in recipients.recipient_statuses(email)] == ["bounced", "sent", "sent"]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("queued", None),
        ("sending", None),
        ("unknown", "ReadTimeout"),
        ("failed", "expired"),
        ("captured", "mail_mode_capture"),
    ],
)
def test_before_anything_is_reported_the_mail_s_own_status_is_reported(status: str, reason: str | None) -> None:
    email = replace(EMAIL, status=status, reason=reason, sent_at=None)
    assert [(one.status, one.reason) for one in recipients.recipient_statuses(email)] == [(status, reason)] * 3
