"""Bulk mail leaves a fifth of SES's rate and quota to sign-ins (I7)."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from chalicelib import clock
from chalicelib.config import settings
from chalicelib.functions.mail import deliver_urgent_mail
from chalicelib.mail.sending import pacing, ses
from chalicelib.mail.sending.pacing import BulkPacer
from chalicelib.table import keys, send_slots, store
from chalicelib.table.items import SendingPaceItem
from chalicelib.table.send_slots import SendSlots
from tests.integration.mail.conftest import START, Provider, Time, email, enqueue, sweep, tasks, work

KEY = keys.sending_pace()
SECOND = timedelta(seconds=1)


class Account:
    """SES's limits, and how often it was asked."""

    def __init__(self, a_second: float, a_day: int | None = None, sent: int = 0) -> None:
        self.limits: ses.Limits | None = ses.Limits(a_second, a_day, sent)
        self.asked = 0

    def tell(self) -> ses.Limits | None:
        self.asked += 1
        return self.limits


@pytest.fixture
def moving(time: Time, monkeypatch: pytest.MonkeyPatch) -> Time:
    """Time that passes when somebody waits."""
    monkeypatch.setattr(pacing.time, "sleep", lambda seconds: time.passes(seconds=seconds))
    return time


@pytest.fixture
def account(moving: Time, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """Ten a second, so that eight are for bulk mail."""
    found = Account(10)
    monkeypatch.setattr(ses, "fetch_limits", found.tell)
    pacing.forget_limits()
    yield found
    pacing.forget_limits()


def taken(pace: BulkPacer, recipients: int = 1) -> float:
    """Take a send slot and return its time, in seconds from the start."""
    assert pace.wait_for_slot(recipients) is None
    return round((clock.utc_now() - START).total_seconds(), 3)


def test_turns_follow_one_another(time: Time) -> None:
    assert send_slots.reserve_slots(KEY, START, SECOND, 3, SECOND) == SendSlots(START, 3)
    assert send_slots.reserve_slots(KEY, START, SECOND, 2, 5 * SECOND) == SendSlots(START + 3 * SECOND, 5)
    assert send_slots.reserve_slots(KEY, START + SECOND, SECOND, 1, 4 * SECOND) == SendSlots(START + 5 * SECOND, 6)


def test_nobody_waits_longer_than_their_patience(time: Time) -> None:
    send_slots.reserve_slots(KEY, START, SECOND, 30, SECOND)
    assert send_slots.reserve_slots(KEY, START, SECOND, 1, 10 * SECOND) == START + 30 * SECOND
    assert send_slots.reserve_slots(KEY, START + 20 * SECOND, SECOND, 1, 10 * SECOND) == SendSlots(
        START + 30 * SECOND, 31
    )


def test_turns_that_nobody_took_are_not_saved_up(time: Time) -> None:
    send_slots.reserve_slots(KEY, START, SECOND, 1, SECOND)
    late = START + timedelta(hours=1)
    assert send_slots.reserve_slots(KEY, late, SECOND, 1, SECOND) == SendSlots(late, 2)
    assert send_slots.reserve_slots(KEY, late, SECOND, 1, SECOND) == SendSlots(late + SECOND, 3)


def test_a_clock_that_was_wrong_does_not_stop_all_mail(time: Time) -> None:
    send_slots.reserve_slots(KEY, START + timedelta(days=400), SECOND, 1, SECOND)
    assert send_slots.reserve_slots(KEY, START, SECOND, 1, SECOND) == SendSlots(START, 2)


def test_bulk_mail_leaves_a_fifth_of_the_rate(account: Account) -> None:
    pace = BulkPacer(10)
    assert [taken(pace) for _ in range(5)] == [0, 0.125, 0.25, 0.375, 0.5]
    assert account.asked == 1


def test_consumers_share_the_rate(account: Account) -> None:
    paces = [BulkPacer(4) for _ in range(3)]
    found = [taken(pace) for _ in range(4) for pace in paces]
    assert found[-1] == 11 * 0.125, "twelve turns, each an eighth of a second, to whomever they were given"


def test_each_recipient_is_a_turn(account: Account) -> None:
    pace = BulkPacer(3)
    assert [taken(pace, 4), taken(pace, 1), taken(pace, 40), taken(BulkPacer(1), 1)] == [0, 0.5, 0.625, 5.625]


def test_who_would_wait_too_long_comes_again_later(account: Account, time: Time) -> None:
    assert taken(BulkPacer(1), 50) == 0
    assert taken(BulkPacer(1), 50) == 6.25
    time.now = START
    assert BulkPacer(1).wait_for_slot(1) == START + timedelta(seconds=12.5)


def test_no_mail_waits_so_long_that_no_time_is_left_to_send_it(account: Account, time: Time) -> None:
    pace = BulkPacer(2)
    assert taken(pace, 100) == 0
    # The send slot of the second email is 12.5 seconds away.
    assert pace.wait_for_slot(1) == START + timedelta(seconds=12.5)
    time.passes(seconds=13)
    assert taken(pace, 1) == 13


def test_bulk_mail_stops_at_four_fifths_of_the_quota(account: Account, time: Time) -> None:
    account.limits = ses.Limits(10, 100, 70)
    pace = BulkPacer(10)
    assert [pace.wait_for_slot(1) for _ in range(10)] == [None] * 10
    assert pace.wait_for_slot(1) == clock.utc_now() + pacing.QUOTA_PAUSE
    asked = account.asked
    assert BulkPacer(5).wait_for_slot(1) is not None
    assert account.asked == asked, "asked every few seconds at most"
    account.limits = ses.Limits(10, 100, 75)
    time.passes(seconds=6)
    assert [BulkPacer(1).wait_for_slot(1) for _ in range(6)] == [None] * 5 + [clock.utc_now() + pacing.QUOTA_PAUSE]


def test_what_other_consumers_sent_counts_too(account: Account, time: Time) -> None:
    account.limits = ses.Limits(10, 100, 0)
    assert taken(BulkPacer(1)) == 0
    send_slots.reserve_slots(KEY, clock.utc_now(), timedelta(milliseconds=1), 79, SECOND)
    # The first slot after it shows how many were reserved; the next is not available.
    found = [BulkPacer(1).wait_for_slot(1), BulkPacer(1).wait_for_slot(1)]
    assert [one is None for one in found] == [True, False]


def test_ses_is_asked_once_a_minute(account: Account, time: Time) -> None:
    for _ in range(50):
        taken(BulkPacer(1))
        time.passes(seconds=5)
    assert 4 <= account.asked <= 6


def test_while_ses_does_not_tell_the_last_word_counts_or_the_rate_of_a_new_account(
    account: Account, time: Time
) -> None:
    known, account.limits = account.limits, None
    assert [taken(BulkPacer(1)) for _ in range(2)] == [0, 1.25]
    account.limits = known
    time.passes(minutes=2)
    begin = taken(BulkPacer(1))
    account.limits = None
    assert [round(taken(BulkPacer(1)) - begin, 3) for _ in range(2)] == [0.125, 0.25]


def test_a_large_run_is_sent_at_four_fifths_of_the_rate_and_sign_ins_do_not_wait(
    account: Account, provider: Provider, moving: Time
) -> None:
    emails = [enqueue() for _ in range(25)]
    work()
    moments = sorted(email(one).sent_at for one in emails)
    assert {email(one).status for one in emails} == {"sent"}
    assert moments[-1] - moments[0] >= timedelta(seconds=24 * 0.125)
    urgent = enqueue(urgent=True)
    before = clock.utc_now()
    work(deliver_urgent_mail, settings().queue_urls["urgent_mail"])
    assert (email(urgent).status, clock.utc_now()) == ("sent", before)


def test_mails_over_the_quota_wait_in_the_table_and_go_once_there_is_room(
    account: Account, provider: Provider, time: Time
) -> None:
    account.limits = ses.Limits(10, 10, 5)
    emails = [enqueue() for _ in range(5)]
    assert work() == []
    assert [email(one).status for one in emails].count("sent") == 3
    assert len(tasks()) == 2
    urgent = enqueue(urgent=True)
    work(deliver_urgent_mail, settings().queue_urls["urgent_mail"])
    assert email(urgent).status == "sent"
    account.limits = ses.Limits(10, 10, 0)
    time.passes(minutes=16)
    sweep()
    assert work() == []
    assert {email(one).status for one in emails} == {"sent"}
    assert tasks() == []


def test_mail_that_does_not_leave_takes_no_turn(
    account: Account, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIL_MODE", "capture")
    settings.cache_clear()
    enqueue()
    work()
    assert account.asked == 0
    assert store.get_item(SendingPaceItem, KEY) is None
