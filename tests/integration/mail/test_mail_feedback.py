"""What SES reports, through the deployed function to the table: the email, the counts, and who gets no more mail."""

import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from chalicelib.errors import NotFound
from chalicelib.mail import rules, service
from chalicelib.mail.erasure import erase_emails
from chalicelib.mail.feedback import health, suppressions
from chalicelib.mail.sending import ses
from chalicelib.table import keys, store
from tests.integration.mail.conftest import Provider, Time, context, email, enqueue, report, tasks, work
from tests.integration.service import rows

ANA, BOB, EVE = "ana@acme.example", "bob@acme.example", "eve@acme.example"


def bounced(*addresses: str, kind: str = "Permanent") -> dict[str, Any]:
    return {"bounce": {"bounceType": kind, "bouncedRecipients": [{"emailAddress": one} for one in addresses]}}


def complained(*addresses: str, **more: Any) -> dict[str, Any]:
    return {"complaint": {"complainedRecipients": [{"emailAddress": one} for one in addresses], **more}}


def suppressed() -> list[str]:
    return [one.email for one in suppressions.list_suppressions(None, 100)[0]]


def counts(time: Time) -> health.MailCounts:
    today = time.now.date()
    return health.sum_counts(health.read_daily_counts("nordlicht", today, today, time.now))


def statuses(email_id: str) -> dict[str, str]:
    found = service.get_email("acme", email_id)[0]
    return {one.email: one.status for one in rules.recipient_statuses(found)}


def test_a_permanent_bounce_suppresses_the_address_and_asks_who_is_still_reached(
    provider: Provider, time: Time
) -> None:
    email_id = enqueue(to=(ANA, BOB))
    work()
    report(email_id, "Delivery", delivery={"recipients": [BOB]})
    for _ in range(2):
        report(email_id, "Bounce", **bounced(ANA))
    assert suppressed() == [ANA]
    found = suppressions.get_suppression(ANA)
    assert (found.reason, found.since, found.email_id) == ("permanent_bounce", time.now, email_id)
    assert [task.subject for task in tasks("coverage")] == [ANA]
    assert statuses(email_id) == {ANA: "bounced", BOB: "delivered"}
    assert counts(time) == health.MailCounts(mails=1, sent=2, delivered=1, bounced=1)


def test_a_suppressed_address_gets_no_mail_and_the_others_do(provider: Provider, time: Time) -> None:
    first = enqueue(to=(ANA,))
    work()
    report(first, "Complaint", **complained(ANA))
    both, alone, copied = enqueue(to=(ANA, BOB)), enqueue(to=(ANA,)), enqueue(to=(ANA,), cc=(EVE,))
    work()
    destinations = [one["Destination"] for one in provider.taken[1:]]
    assert destinations == [{"ToAddresses": [BOB]}, {"ToAddresses": [EVE]}]
    assert statuses(both) == {ANA: "withheld", BOB: "sent"}
    assert statuses(copied) == {ANA: "withheld", EVE: "sent"}
    assert (email(alone).status, email(alone).reason) == ("failed", "suppressed")
    assert statuses(alone) == {ANA: "withheld"}
    assert tasks() == []
    assert counts(time).sent == 3

    suppressions.clear(context(), ANA)
    again = enqueue(to=(ANA,))
    work()
    assert email(again).status == "sent"
    assert len(tasks("coverage")) == 2, "once when it was suppressed, once when it was cleared"


def test_a_transient_bounce_suppresses_nobody(provider: Provider, time: Time) -> None:
    email_id = enqueue(to=(ANA,))
    work()
    report(email_id, "Bounce", **bounced(ANA, kind="Transient"))
    assert suppressed() == []
    assert counts(time).bounced_for_now == 1
    report(email_id, "Delivery", delivery={"recipients": [ANA]})
    assert counts(time) == health.MailCounts(mails=1, sent=1, delivered=1)


def test_taking_a_mail_out_of_the_spam_folder_is_no_complaint(provider: Provider) -> None:
    email_id = enqueue(to=(ANA,))
    work()
    report(email_id, "Complaint", **complained(ANA, complaintFeedbackType="not-spam"))
    assert (email(email_id).status, suppressed()) == ("sent", [])


def test_a_report_that_is_repeated_does_not_undo_what_a_person_has_cleared(provider: Provider, time: Time) -> None:
    email_id = enqueue(to=(ANA,))
    work()
    at = time.now
    report(email_id, "Bounce", at, **bounced(ANA))
    suppressions.clear(context(), ANA)
    report(email_id, "Bounce", at, **bounced(ANA))
    assert suppressed() == []
    time.passes(hours=1)
    report(email_id, "Complaint", **complained(ANA))
    assert suppressed() == [ANA]


def test_addresses_are_recognised_however_they_are_written(provider: Provider) -> None:
    email_id = enqueue(to=(ANA, BOB))
    work()
    report(email_id, "Bounce", **bounced("Ana <ANA@Acme.example>"))
    assert suppressed() == [ANA]


def test_a_bounce_of_fifty_is_recorded_in_parts_that_fit_a_transaction(provider: Provider, time: Time) -> None:
    many = tuple(f"person{number:02d}@acme.example" for number in range(50))
    email_id = enqueue(to=many)
    work()
    for _ in range(2):
        report(email_id, "Bounce", **bounced(*many))
    assert suppressed() == list(many)
    assert len(tasks("coverage")) == 50
    assert counts(time) == health.MailCounts(mails=1, sent=50, bounced=50)
    assert set(statuses(email_id).values()) == {"bounced"}


def test_redirected_mail_suppresses_the_address_that_it_went_to(
    provider: Provider, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chalicelib.config import settings as configured

    monkeypatch.setenv("MAIL_MODE", "redirect")
    monkeypatch.setenv("MAIL_REDIRECT_TO", "tests@vendor.example")
    configured.cache_clear()
    email_id = enqueue(to=(ANA, BOB))
    work()
    assert statuses(email_id) == {ANA: "withheld", BOB: "withheld"}
    report(email_id, "Bounce", **bounced("tests@vendor.example"))
    assert suppressed() == ["tests@vendor.example"]
    assert counts(time) == health.MailCounts(mails=1, sent=1, bounced=1)
    other = enqueue(to=(ANA,))
    work()
    assert (email(other).status, email(other).reason) == ("failed", "suppressed")


def test_the_counts_of_a_day_are_those_of_the_mails_sent_on_it(provider: Provider, time: Time) -> None:
    time.now = datetime(2026, 3, 2, 23, 59, 59, tzinfo=UTC)
    email_id = enqueue(to=(ANA,))
    work()
    first = time.now.date()
    time.passes(hours=10)
    report(email_id, "Delivery", delivery={"recipients": [ANA]})
    found = health.read_daily_counts("nordlicht", first, time.now.date(), time.now)
    assert found == [health.DailyMailCounts(first, health.MailCounts(mails=1, sent=1, delivered=1))]


def test_a_report_from_before_our_own_note_moves_the_mail_to_the_day_before(provider: Provider, time: Time) -> None:
    time.now = datetime(2026, 3, 3, tzinfo=UTC)
    email_id = enqueue(to=(ANA,))
    work()
    report(email_id, "Send", at=time.now - timedelta(seconds=1))
    found = health.read_daily_counts("nordlicht", time.now.date() - timedelta(days=1), time.now.date(), time.now)
    assert [(one.day.day, one.counts.mails, one.counts.sent) for one in found] == [(2, 1, 1)]


def test_who_was_erased_still_counts_and_is_reported_of_no_more(provider: Provider, time: Time) -> None:
    email_id = enqueue(to=(ANA, BOB))
    work()
    report(email_id, "Delivery", delivery={"recipients": [ANA, BOB], "smtpResponse": "250 for ana@acme.example"})
    before = counts(time)
    erase_emails("acme", "con_1", ANA, time.now)
    item = email(email_id).serialize()
    erase_emails("acme", "con_1", ANA, time.now)
    assert email(email_id).serialize() == item, "erasing again changes nothing"
    report(email_id, "Delivery", delivery={"recipients": [ANA, BOB], "smtpResponse": "250 for ana@acme.example"})
    report(email_id, "Complaint", **complained(ANA))
    assert "ana@" not in json.dumps(email(email_id).serialize())
    assert suppressed() == []
    assert counts(time) == before
    assert statuses(email_id) == {BOB: "delivered"}
    report(email_id, "Complaint", **complained(BOB))
    assert (suppressed(), counts(time).complained) == ([BOB], 1)


KINDS: dict[str, dict[str, Any]] = {
    "Send": {"send": {}},
    "DeliveryDelay": {"deliveryDelay": {"delayedRecipients": [{"emailAddress": ANA}], "delayType": "MailboxFull"}},
    "Delivery": {"delivery": {"recipients": [ANA, BOB]}},
    "Bounce": bounced(BOB),
    "Complaint": complained(ANA),
    "Reject": {"reject": {"reason": "Bad content"}},
}


def summary(email_id: str, time: Time) -> dict[str, Any]:
    """Return everything in the table about one email, and the effects of its events."""
    found = service.get_email("acme", email_id)[0]
    return {
        "status": (found.status, found.reason, found.sent_at),
        "events": found.events,
        "recipients": rules.recipient_statuses(found),
        "counts": counts(time),
        "suppressed": [{**vars(one), "email_id": None} for one in suppressions.list_suppressions(None, 100)[0]],
        "coverage": sorted(task.subject for task in tasks("coverage")),
        "tasks": tasks(),
    }


def clean() -> None:
    for row in rows():
        if row["cls"]["S"] in {"email", "email_content", "mail_health", "suppression", "duty"}:
            store.delete_item(keys.Key(row["PK"]["S"], row["SK"]["S"]))


def sent_and_reported(monkeypatch: pytest.MonkeyPatch, time: Time, order: list[str], before_our_note: int) -> str:
    """Send an email to two recipients; SES events arrive in any order, partly before the send is recorded."""
    clean()
    email_id = enqueue(to=(ANA, BOB))

    def note(kinds: list[str]) -> None:
        for kind in kinds:
            at = time.now + timedelta(seconds=[*KINDS].index(kind))
            report(email_id, kind, at, destination=(ANA, BOB), **KINDS[kind])

    def send(envelope: ses.Envelope) -> rules.SendOutcome:
        note(order[:before_our_note])
        return rules.SendOutcome("accepted", message_id="m-1")

    with monkeypatch.context() as patch:
        patch.setattr(ses, "send", send)
        assert work() == []
    note(order[before_our_note:])
    return email_id


@settings(
    max_examples=60 if os.environ.get("COUNTERFOIL_PROOF") else 6,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(order=st.permutations([*KINDS, *KINDS]), before_our_note=st.integers(0, 12))
def test_the_six_kinds_of_event_in_any_order_and_twice_lead_to_the_same_table(
    deployment: None, monkeypatch: pytest.MonkeyPatch, time: Time, order: list[str], before_our_note: int
) -> None:
    expected = summary(sent_and_reported(monkeypatch, time, [*KINDS], 0), time)
    assert summary(sent_and_reported(monkeypatch, time, order, before_our_note), time) == expected
    assert expected["status"] == ("complained", None, time.now)
    assert [one.status for one in expected["recipients"]] == ["complained", "bounced"]
    assert expected["counts"] == health.MailCounts(1, 2, 2, 1, 0, 1, 2)
    assert [one["email"] for one in expected["suppressed"]] == expected["coverage"] == [ANA, BOB]
    assert expected["tasks"] == []


def test_many_mails_add_up(provider: Provider, time: Time) -> None:
    emails = [enqueue(to=(ANA,)) for _ in range(5)]
    work()
    for email_id in emails:
        report(email_id, "Delivery", delivery={"recipients": [ANA]})
    assert counts(time) == health.MailCounts(mails=5, sent=5, delivered=5)


def test_a_complaint_holds_for_the_mailbox_and_a_bounce_for_the_exact_address(provider: Provider, time: Time) -> None:
    first = enqueue(to=("ana+bills@acme.example",))
    second = enqueue(to=("bob+bills@acme.example",))
    work()
    report(first, "Complaint", **complained("ana+bills@acme.example"))
    report(second, "Bounce", **bounced("bob+bills@acme.example"))
    assert suppressed() == [ANA, "bob+bills@acme.example"]
    assert sorted(task.subject for task in tasks("coverage")) == [
        "ana+bills@acme.example", ANA, "bob+bills@acme.example",
    ]  # fmt: skip
    for address in (ANA, "ana+bills@acme.example", "ana+other@acme.example", "bob+bills@acme.example"):
        withheld = enqueue(to=(address,))
        work()
        assert service.get_email("acme", withheld)[0].reason == "suppressed", address
    for address in (BOB, "bob+other@acme.example", "anna@acme.example"):
        sent = enqueue(to=(address,))
        work()
        assert service.get_email("acme", sent)[0].status == "sent", address


def test_clearing_a_tagged_address_clears_the_complaint_of_its_mailbox(provider: Provider, time: Time) -> None:
    email_id = enqueue(to=("ana+bills@acme.example",))
    work()
    report(email_id, "Bounce", **bounced("ana+bills@acme.example"))
    report(email_id, "Complaint", **complained("ana+bills@acme.example"))
    assert suppressions.get_suppression("ana+other@acme.example").reason == "complaint"
    assert suppressions.get_suppression("ana+bills@acme.example").reason == "permanent_bounce"
    assert suppressions.clear(context(), "ana+bills@acme.example").email == "ana+bills@acme.example"
    assert suppressed() == []
    with pytest.raises(NotFound):
        suppressions.get_suppression(ANA)


def test_a_complaint_that_names_several_suppresses_nobody(provider: Provider, time: Time) -> None:
    email_id = enqueue(to=(ANA, BOB))
    work()
    report(email_id, "Complaint", **complained(ANA, BOB))
    assert suppressed() == []
    assert service.get_email("acme", email_id)[0].status == "complained"
    many = tuple(f"p{number}@acme.example" for number in range(31))
    crowd = enqueue(to=many)
    work()
    report(crowd, "Complaint", **complained(*many))
    assert suppressed() == []
    alone = enqueue(to=(EVE, BOB))
    work()
    report(alone, "Complaint", **complained(EVE))
    assert suppressed() == [EVE]
    # A complaint of one alone counts, whatever came before.
    report(email_id, "Complaint", **complained(ANA))
    assert suppressed() == [ANA, EVE]


@pytest.mark.parametrize(
    "rubbish",
    [[{"emailAddress": ""}], [{"emailAddress": None}], [{}], ["undisclosed-recipients"], [7], "ana", {"a": 1}, [None]],
)
def test_a_bounce_whose_recipients_are_rubbish_suppresses_nobody(provider: Provider, rubbish: Any) -> None:
    email_id = enqueue(to=(ANA,))
    work()
    report(email_id, "Bounce", bounce={"bounceType": "Permanent", "bouncedRecipients": rubbish})
    assert suppressed() == []
