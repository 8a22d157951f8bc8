"""SES's six kinds of event, in any order and number, around our own note: the same state, counts and suppressions."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.mail import reports, rules
from chalicelib.mail.feedback import health, suppressions
from chalicelib.mail.feedback.suppressions import Suppression
from chalicelib.mail.recipients import Recipients
from chalicelib.mail.reports import Event
from chalicelib.mail.rules import MailState, SendOutcome

MIDNIGHT = datetime(2026, 3, 3, tzinfo=UTC)
A, B, C = "a@x.example", "b@x.example", "c@x.example"
QUEUED = MailState("queued", not_after=MIDNIGHT + timedelta(days=1))
SENDING = rules.claim(
    rules.with_recipients(QUEUED, Recipients((A, B), (C,))), MIDNIGHT - timedelta(seconds=30), "claim"
)
ACCEPTED = SendOutcome("accepted", message_id="message-1")
STRANGER = "somebody@elsewhere.example"

# A minute around midnight: the day of sending depends on what comes earliest.
EVENTS = st.builds(
    Event,
    at=st.integers(0, 59).map(
        lambda second: (MIDNIGHT + timedelta(seconds=second - 30)).isoformat(timespec="milliseconds")
    ),
    kind=st.sampled_from(reports.EVENTS),
    message_id=st.sampled_from(["message-1", "message-2"]),
    detail=st.sampled_from(["", "550", "mailbox full"]),
    recipients=st.lists(st.sampled_from([A, B, C, STRANGER]), unique=True, max_size=4).map(tuple),
)


class World:
    """One email and the effects of its events, recorded as ``feedback`` does, over plain values."""

    def __init__(self) -> None:
        self.state = SENDING
        self.health: Counter[tuple[date, str]] = Counter()
        self.suppressed: dict[str, Suppression] = {}
        self.tasks: Counter[str] = Counter()

    def settle(self) -> None:
        self._becomes(rules.apply_outcome(self.state, "claim", ACCEPTED, MIDNIGHT))

    def note(self, event: Event) -> None:
        event = reports.restrict_to_recipients(event, {A, B, C}, self.state.recipient_count)
        before, after = self.state, rules.apply_event(self.state, event)
        self._becomes(after)
        for cause in suppressions.suppression_causes("eml_1", before, after, event):
            email = cause.suppression.email
            if email not in self.suppressed and not cause.new:
                continue
            self.tasks[email] += email not in self.suppressed
            self.suppressed[email] = suppressions.more_severe_suppression(self.suppressed.get(email), cause.suppression)

    def _becomes(self, after: MailState) -> None:
        for day, amounts in health.count_changes(self.state, after).items():
            for name, amount in amounts.items():
                self.health[day, name] += amount
        self.state = after

    def seen(self) -> object:
        return self.state, +self.health, self.suppressed, self.tasks


@given(events=st.lists(EVENTS, max_size=50), data=st.data())
def test_the_same_reports_lead_to_the_same_end(events: list[Event], data: st.DataObject) -> None:
    expected = World()
    expected.settle()
    for event in events:
        expected.note(event)

    world = World()
    repeated = data.draw(st.lists(st.sampled_from(events), max_size=20)) if events else []
    order = data.draw(st.permutations([*events, *repeated]))
    noted_at = data.draw(st.integers(0, len(order)))
    for event in order[:noted_at]:
        world.note(event)
    world.settle()
    for event in order[noted_at:]:
        world.note(event)

    assert world.seen() == expected.seen()
    assert min(world.health.values(), default=0) >= 0
    contribution = health.contribution(world.state)
    assert +world.health == Counter(contribution), "the counts are the sum of what the mails contribute"
    wanted = {
        address
        for event in events
        if event.kind in {"permanent_bounce", "complaint"}
        for address in event.recipients
        if address != STRANGER and (event.kind != "complaint" or len(set(event.recipients) - {STRANGER}) == 1)
    }
    assert set(world.suppressed) == wanted
    assert STRANGER not in str(world.state)


@given(events=st.lists(EVENTS, min_size=1, max_size=30))
def test_a_repetition_changes_nothing_and_suppresses_nobody_whom_a_person_has_cleared(events: list[Event]) -> None:
    world = World()
    for event in events:
        world.note(event)
    world.suppressed.clear()
    before = replace(world.state), Counter(world.health)
    for event in events:
        world.note(event)
    assert (world.state, world.health) == before
    assert world.suppressed == {}


def event(kind: str, *recipients: str, second: int = 1, detail: str = "") -> Event:
    return Event(f"2026-03-03T09:00:{second:02d}.000Z", kind, "m-1", detail, recipients)


def test_each_recipient_is_counted_once_under_each_thing_reported() -> None:
    state = SENDING
    for one in (
        event("send", A, B, C),
        event("delivery", A, B),
        event("delivery", A),
        event("complaint", A),
        event("transient_bounce", A, C),
        event("permanent_bounce", B),
    ):
        state = rules.apply_event(state, one)
    assert health.contribution(state) == {
        (date(2026, 3, 3), name): number
        for name, number in
        {"mails": 1, "sent": 3, "delivered": 2, "bounced": 1, "bounced_for_now": 1, "complained": 1}.items()
    }  # fmt: skip


def test_what_was_never_sent_is_not_counted() -> None:
    assert health.contribution(QUEUED) == {}
    assert health.contribution(SENDING) == {}
    assert health.contribution(rules.expire(QUEUED)) == {}


@pytest.mark.parametrize(
    ("recipients", "known", "sent_to", "expected"),
    [
        ((A, B), {A, B}, 2, ((A, B), "550")),
        ((A, B), {B}, 2, ((B,), "")),
        ((A,), set(), 1, ((), "")),
        ((STRANGER,), {A}, 1, ((A,), "550")),
        ((STRANGER,), {A, B}, 2, ((), "")),
        ((STRANGER,), {A}, 2, ((), "")),
        ((), {A}, 1, ((), "550")),
        ((), set(), 1, ((), "")),
    ],
    ids=["all", "one erased", "all erased", "forwarded", "stranger", "stranger or erased", "nobody", "nobody, erased"],
)
def test_a_report_is_about_the_recipients_that_are_known(
    recipients: tuple[str, ...], known: set[str], sent_to: int, expected: tuple[tuple[str, ...], str]
) -> None:
    found = reports.restrict_to_recipients(event("permanent_bounce", *recipients, detail="550"), known, sent_to)
    assert (found.recipients, found.detail) == expected


def test_the_complaint_stands_above_the_bounce_and_the_earlier_above_the_later() -> None:
    early, late = MIDNIGHT, MIDNIGHT + timedelta(hours=1)
    bounce, later = Suppression(A, "permanent_bounce", early), Suppression(A, "permanent_bounce", late)
    complaint = Suppression(A, "complaint", late)
    assert suppressions.more_severe_suppression(None, bounce) == bounce
    assert (
        suppressions.more_severe_suppression(later, bounce)
        == suppressions.more_severe_suppression(bounce, later)
        == bounce
    )
    assert (
        suppressions.more_severe_suppression(bounce, complaint)
        == suppressions.more_severe_suppression(complaint, bounce)
        == complaint
    )
