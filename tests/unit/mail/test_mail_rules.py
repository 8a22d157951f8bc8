"""The state machine of emails: the next action, and the same final state in any order of SES events."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.mail import reports, rules
from chalicelib.mail.rules import Event, MailState, SendDecision, SendOutcome

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
QUEUED = MailState("queued", not_after=NOW + timedelta(days=1))
SENDING = rules.claim(QUEUED, NOW, "claim")


def event(kind: str, at: str = "2026-03-02T09:00:01.000Z", recipient: str = "a@example.com") -> Event:
    return Event(at, kind, "message-1", "", (recipient,))


def test_a_queued_mail_is_sent() -> None:
    assert rules.decide(QUEUED, NOW) == SendDecision("send")


def test_a_mail_that_was_refused_for_now_waits_for_its_pause() -> None:
    refused = rules.apply_outcome(SENDING, "claim", SendOutcome("refused_for_now", "Throttling"), NOW)
    assert refused.status == "queued"
    assert refused.not_before == NOW + timedelta(seconds=30)
    assert rules.decide(refused, NOW) == SendDecision("wait", refused.not_before)
    assert rules.decide(refused, NOW + MINUTE) == SendDecision("send")


def test_the_pauses_double_up_to_half_an_hour() -> None:
    assert [rules.retry_delay(number).total_seconds() for number in (0, 1, 2, 6, 7, 60)] == [
        30,
        60,
        120,
        1800,
        1800,
        1800,
    ]


def test_who_meets_a_live_lease_leaves_the_mail_alone() -> None:
    assert rules.decide(SENDING, NOW + MINUTE) == SendDecision("leave")


@pytest.mark.parametrize(
    "state", [SENDING, rules.apply_outcome(SENDING, "claim", SendOutcome("unknown", "ReadTimeout"), NOW)]
)
def test_a_mail_of_unknown_fate_waits_fifteen_minutes_and_is_sent_again(state: MailState) -> None:
    assert rules.decide(state, NOW + 3 * MINUTE) == SendDecision("wait", NOW + rules.OUTCOME_TIMEOUT)
    assert rules.decide(state, NOW + 15 * MINUTE) == SendDecision("send")


def test_an_expired_mail_fails_unsent() -> None:
    late = QUEUED.not_after
    assert rules.decide(QUEUED, late) == SendDecision("expire")
    assert rules.decide(QUEUED, late - MINUTE) == SendDecision("send")
    expired = rules.expire(QUEUED)
    assert (expired.status, expired.reason) == ("failed", "expired")
    assert rules.decide(expired, late) == SendDecision("drop")


def test_an_expired_mail_that_may_have_been_sent_stays_unknown() -> None:
    late = QUEUED.not_after
    assert rules.decide(SENDING, late) == SendDecision("expire")
    expired = rules.expire(SENDING)
    assert (expired.status, expired.reason) == ("unknown", "expired")
    assert rules.decide(expired, late) == SendDecision("drop")


@pytest.mark.parametrize("status", ["sent", "delivered", "bounced", "complained", "failed", "captured"])
def test_nothing_is_left_to_do_for_a_finished_mail(status: str) -> None:
    assert rules.decide(replace(QUEUED, status=status), NOW) == SendDecision("drop")


def test_a_refusal_for_good_fails_the_mail() -> None:
    failed = rules.apply_outcome(SENDING, "claim", SendOutcome("refused", "BadRequestException"), NOW)
    assert (failed.status, failed.reason) == ("failed", "BadRequestException")


def test_an_attempt_whose_claim_was_taken_over_changes_nothing_unless_ses_took_the_mail() -> None:
    for kind in ("refused", "refused_for_now", "unknown"):
        assert rules.apply_outcome(SENDING, "an older claim", SendOutcome(kind), NOW) == SENDING
    accepted = rules.apply_outcome(SENDING, "an older claim", SendOutcome("accepted", message_id="m"), NOW)
    assert accepted.status == "sent"


def test_an_event_proves_that_a_mail_of_unknown_fate_was_sent() -> None:
    unknown = rules.apply_outcome(SENDING, "claim", SendOutcome("unknown", "ReadTimeout"), NOW)
    heard = rules.apply_event(unknown, event("send"))
    assert (heard.status, heard.reason) == ("sent", None)
    assert rules.decide(heard, NOW + 20 * MINUTE) == SendDecision("drop")


def test_an_automatic_reply_does_not_undo_a_delivery() -> None:
    delivered = rules.apply_event(SENDING, event("delivery"))
    assert rules.apply_event(delivered, event("transient_bounce")).status == "delivered"
    alone = rules.apply_event(SENDING, event("transient_bounce"))
    assert (alone.status, alone.reason) == ("bounced", "transient")


def test_graver_news_wins() -> None:
    state = SENDING
    statuses = []
    for kind in ("send", "delivery_delay", "delivery", "permanent_bounce", "complaint", "delivery"):
        state = rules.apply_event(state, event(kind))
        statuses.append(state.status)
    assert statuses == ["sent", "sent", "delivered", "bounced", "complained", "complained"]


def test_a_rejected_mail_has_failed() -> None:
    rejected = rules.apply_event(rules.apply_event(SENDING, event("send")), event("reject"))
    assert (rejected.status, rejected.reason) == ("failed", "rejected")


EVENTS = st.lists(
    st.builds(
        Event,
        at=st.integers(0, 59).map(lambda second: f"2026-03-02T09:00:{second:02d}.000Z"),
        kind=st.sampled_from(reports.EVENTS),
        message_id=st.sampled_from(["message-1", "message-2"]),
        recipients=st.sampled_from([("a@example.com",), ("b@example.com",)]),
    ),
    min_size=1,
    max_size=60,
)


@given(events=EVENTS, data=st.data())
def test_reports_lead_to_the_same_state_in_any_order_and_number_and_around_our_own_note(
    events: list[Event], data: st.DataObject
) -> None:
    accepted = SendOutcome("accepted", message_id="message-1")
    expected = rules.apply_outcome(SENDING, "claim", accepted, NOW)
    for one in events:
        expected = rules.apply_event(expected, one)

    repeated = data.draw(st.permutations(events + data.draw(st.lists(st.sampled_from(events)))))
    noted_at = data.draw(st.integers(0, len(repeated)))
    state = SENDING
    for number, one in enumerate(repeated):
        if number == noted_at:
            state = rules.apply_outcome(state, "claim", accepted, NOW)
        state = rules.apply_event(state, one)
    if noted_at == len(repeated):
        state = rules.apply_outcome(state, "claim", accepted, NOW)

    assert state == expected
    assert len(state.events) <= reports.MAX_EVENTS
    assert rules.decide(state, NOW + timedelta(hours=1)) == SendDecision("drop")


@given(events=EVENTS)
def test_a_status_never_falls_back(events: list[Event]) -> None:
    state = SENDING
    for one in events:
        after = rules.apply_event(state, one)
        assert rules.apply_event(after, one) == after
        assert after.status not in {"queued", "sending", "unknown"}
        state = after
