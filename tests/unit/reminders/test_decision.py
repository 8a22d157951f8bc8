"""The decision about one invoice: R1–R9, and a reason for everything else."""

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.reminders.policy.rules import (
    DEFAULT_STEPS,
    TONES,
    Calendar,
    PolicyStep,
    QuietSpell,
    ReminderPolicy,
    check_reminder_policy,
    planned_steps,
)
from chalicelib.reminders.run.rules import (
    NO_REMINDER_REASONS,
    OBSTACLES,
    Pause,
    ReminderCandidate,
    ReminderDecision,
    decide_reminder,
    find_obstacle,
    next_step,
    remaining_steps,
)

ROUNDS = 2000 if os.environ.get("COUNTERFOIL_PROOF") else 150
DUE = date(2026, 3, 10)
WEEKEND = Calendar(weekend=frozenset({5, 6}))
FREE = Calendar()
OPEN = ReminderCandidate("i", "invoice", "open", 100, DUE, date(2026, 2, 1), date(2026, 2, 1), mode="live")
NO_GAP = ReminderPolicy(minimum_gap_days=0)
DAYS = 730


def sent(decision: ReminderDecision) -> str | None:
    return decision.step.name if decision.step else None


def code(decision: ReminderDecision) -> str | None:
    return decision.reason.code if decision.reason else None


def live(
    subject: ReminderCandidate,
    policy: ReminderPolicy,
    calendar: Calendar,
    first: date,
    days: int,
    *,
    only_when_planned: bool = False,
) -> Iterator[tuple[date, ReminderDecision]]:
    """Decide day by day, or only on the days that the decision before has named, and remember what was done."""
    wanted: date | None = first
    for number in range(days):
        today = first + timedelta(days=number)
        if only_when_planned and (wanted is None or today < wanted):
            continue
        decision = decide_reminder(subject, policy, calendar, today)
        wanted = decision.next_on
        spent = {step.name for step in decision.superseded}
        if decision.step is not None:
            spent.add(decision.step.name)
            subject = replace(subject, last_reminded_on=today)
            subject = replace(subject, taken_until=today)
        subject = replace(subject, spent=subject.spent | spent)
        yield today, decision


NOT_KNOWN: dict[str, Any] = {
    "credit": 100, "deliveries_failed": True, "contacts": 0, "reachable_contacts": 0,
    "payments_current": False, "auto_pay": True, "claimed_due_date": DUE + timedelta(days=1),
}  # fmt: skip
"""What a caller may not have read, with a value that blocks."""


BLOCKED: dict[str, dict[str, Any]] = {
    "credit_note": {"kind": "credit_note"},
    **{status: {"status": status, "balance": 0} for status in ("void", "paid", "uncollectible")},
    "nothing_open": {"balance": 0},
    "no_due_date": {"due_date": None},
    "due_date_changed": {"claimed_due_date": DUE + timedelta(days=1)},
    "disputed": {"disputed": 100},
    "auto_pay": {"auto_pay": True},
    "reminders_off": {"mode": "off"},
    "not_in_pilot": {"mode": "pilot"},
    "before_live": {"live_from": date(2026, 3, 1)},
    **{f"paused_{level}": {"pauses": (Pause(level, None),)} for level in ("invoice", "bill_group", "account")},
    "paused_promise": {"pauses": (Pause("promise", DUE + timedelta(days=1)),)},
    "covered_by_credit": {"credit": 100},
    "payments_not_current": {"payments_current": False},
    "deliveries_failed": {"deliveries_failed": True},
    "no_contact": {"contacts": 0},
    "all_suppressed": {"contacts": 1, "reachable_contacts": 0},
}
"""For each obstacle, what has it hold."""


class TestObstacles:
    @pytest.mark.parametrize("field", NOT_KNOWN)
    def test_what_is_not_known_blocks_nothing(self, field: str) -> None:
        known = replace(OPEN, **{field: NOT_KNOWN[field]})
        assert find_obstacle(known, DUE) is not None
        assert find_obstacle(replace(OPEN, **{field: None}), DUE) is None

    def test_every_obstacle_keeps_the_step_back(self) -> None:
        for obstacle in OBSTACLES:
            blocked = BLOCKED[obstacle.reason.code]
            found = find_obstacle(replace(OPEN, **blocked), DUE)
            assert found is not None
            assert found.reason == obstacle.reason
            assert decide_reminder(replace(OPEN, **blocked), NO_GAP, FREE, DUE + timedelta(days=1)).step is None


class TestReasons:
    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ({"kind": "credit_note"}, "credit_note"),
            ({"status": "paid", "balance": 0}, "paid"),
            ({"status": "void", "balance": 0}, "void"),
            ({"status": "uncollectible", "balance": 0}, "uncollectible"),
            ({"balance": 0}, "nothing_open"),
            ({"due_date": None}, "no_due_date"),
            ({"disputed": 100}, "disputed"),
            ({"auto_pay": True}, "auto_pay"),
            ({"mode": "off"}, "reminders_off"),
            ({"mode": "pilot"}, "not_in_pilot"),
            ({"live_from": date(2026, 2, 2)}, "before_live"),
            ({"pauses": (Pause("account", None),)}, "paused_account"),
            ({"pauses": (Pause("bill_group", None),)}, "paused_bill_group"),
            ({"pauses": (Pause("invoice", None),)}, "paused_invoice"),
        ],
    )
    def test_what_only_an_event_changes_names_no_day(self, change: dict[str, object], why: str) -> None:
        decision = decide_reminder(replace(OPEN, **change), ReminderPolicy(), WEEKEND, date(2026, 3, 11))
        assert (sent(decision), code(decision), decision.next_on) == (None, why, None)

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ({"deliveries_failed": True}, "deliveries_failed"),
            ({"credit": 100}, "covered_by_credit"),
            ({"disputed": 60, "credit": 40}, "covered_by_credit"),
            ({"contacts": 0, "reachable_contacts": 0}, "no_contact"),
            ({"reachable_contacts": 0}, "all_suppressed"),
            ({"last_reminded_on": date(2026, 3, 10)}, "too_soon"),
            ({"pauses": (Pause("invoice", date(2026, 3, 11)),)}, "paused_invoice"),
        ],
    )
    def test_what_passes_is_looked_at_again(self, change: dict[str, object], why: str) -> None:
        decision = decide_reminder(replace(OPEN, **change), ReminderPolicy(), WEEKEND, date(2026, 3, 11))
        assert (sent(decision), code(decision), decision.next_on) == (None, why, date(2026, 3, 12))

    def test_the_run_waits_for_the_report_of_payments_and_goes_on_the_same_day(self) -> None:
        decision = decide_reminder(replace(OPEN, payments_current=False), ReminderPolicy(), WEEKEND, date(2026, 3, 11))
        assert (sent(decision), code(decision), decision.next_on) == (None, "payments_not_current", date(2026, 3, 11))

    @pytest.mark.parametrize(("gap", "then"), [(0, 12), (1, 12), (2, 13), (3, 16)])
    def test_a_second_digest_of_a_currency_is_sent_another_day(self, gap: int, then: int) -> None:
        reminded = replace(OPEN, digest_today=True, last_reminded_on=date(2026, 3, 11))
        decision = decide_reminder(reminded, ReminderPolicy(minimum_gap_days=gap), WEEKEND, date(2026, 3, 11))
        assert (sent(decision), code(decision), decision.next_on) == (None, "too_soon", date(2026, 3, then))

    def test_a_digest_of_another_currency_belongs_to_the_same_run(self) -> None:
        reminded = replace(OPEN, last_reminded_on=date(2026, 3, 11))
        assert sent(decide_reminder(reminded, ReminderPolicy(minimum_gap_days=5), WEEKEND, date(2026, 3, 11))) == "+1"

    def test_a_failed_automatic_payment_is_reminded_of(self) -> None:
        failed = replace(OPEN, auto_pay=True, auto_pay_failed=True)
        assert sent(decide_reminder(failed, ReminderPolicy(), WEEKEND, date(2026, 3, 11))) == "+1"

    def test_every_reason_is_a_sentence(self) -> None:
        assert all(reason.code == name and reason.text.endswith(".") for name, reason in NO_REMINDER_REASONS.items())

    def test_before_its_first_step_it_waits_for_it(self) -> None:
        decision = decide_reminder(OPEN, ReminderPolicy(), WEEKEND, date(2026, 2, 10))
        assert (code(decision), decision.next_on) == ("not_yet", date(2026, 3, 9))

    def test_a_shadow_is_decided_like_the_rest_and_says_so(self) -> None:
        decision = decide_reminder(replace(OPEN, mode="shadow"), ReminderPolicy(), WEEKEND, date(2026, 3, 11))
        assert sent(decision) == "+1"
        assert decision.shadow

    def test_the_smallest_amount_is_reminded_of(self) -> None:
        assert sent(decide_reminder(replace(OPEN, balance=1), ReminderPolicy(), WEEKEND, date(2026, 3, 11))) == "+1"

    def test_an_invoice_of_the_first_live_day_is_reminded_of(self) -> None:
        first = replace(OPEN, live_from=OPEN.issue_date)
        assert sent(decide_reminder(first, ReminderPolicy(), WEEKEND, date(2026, 3, 11))) == "+1"

    @pytest.mark.parametrize(
        ("calendar", "why", "then"),
        [
            (Calendar(weekend=frozenset({2})), "weekend", 12),
            (Calendar(holidays=frozenset({date(2026, 3, 11), date(2026, 3, 12)})), "holiday", 13),
            (Calendar(closing_days=frozenset({date(2026, 3, 11)})), "closing_day", 12),
            (Calendar(quiet_spells=(QuietSpell(date(2026, 3, 11), date(2026, 3, 14)),)), "quiet_spell", 15),
            (Calendar(quiet_spells=(QuietSpell(date(2026, 3, 8), date(2026, 3, 11)),)), "quiet_spell", 12),
        ],
    )
    def test_on_a_closed_day_it_says_why_and_waits_for_the_next_free_one(
        self, calendar: Calendar, why: str, then: int
    ) -> None:
        decision = decide_reminder(OPEN, ReminderPolicy(), calendar, date(2026, 3, 11))
        assert (sent(decision), code(decision), decision.next_on) == (None, why, date(2026, 3, then))

    def test_a_weekend_that_is_worked_is_free(self) -> None:
        saturday = date(2026, 3, 14)
        assert WEEKEND.closed(saturday) == "weekend"
        assert replace(WEEKEND, worked=frozenset({saturday})).closed(saturday) is None

    def test_where_no_day_is_free_it_looks_again_after_400(self) -> None:
        never = Calendar(quiet_spells=(QuietSpell(DUE, DUE + timedelta(days=1000)),))
        assert never.first_free(DUE) == DUE + timedelta(days=400)
        nearly = Calendar(quiet_spells=(QuietSpell(DUE, DUE + timedelta(days=398)),))
        assert nearly.first_free(DUE) == DUE + timedelta(days=399)

    @pytest.mark.parametrize("later_first", [True, False])
    def test_of_several_pauses_the_last_to_end_counts(self, later_first: bool) -> None:
        pauses = (Pause("invoice", date(2026, 3, 15)), Pause("account", date(2026, 3, 13)))
        paused = replace(OPEN, pauses=pauses if later_first else pauses[::-1])
        decision = decide_reminder(paused, ReminderPolicy(), FREE, date(2026, 3, 11))
        assert (sent(decision), code(decision), decision.next_on) == (None, "paused_invoice", date(2026, 3, 16))

    def test_a_pause_that_ends_before_the_first_step_waits_for_the_step(self) -> None:
        paused = replace(OPEN, pauses=(Pause("promise", date(2026, 3, 1)),))
        decision = decide_reminder(paused, ReminderPolicy(), FREE, date(2026, 2, 20))
        assert (code(decision), decision.next_on) == ("paused_promise", date(2026, 3, 7))


class TestSuperseded:
    """Whatever is decided, it says which steps are too old to be taken."""

    LATE = replace(OPEN, recorded_on=date(2026, 3, 12))

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ({}, None),
            ({"last_reminded_on": date(2026, 3, 16)}, "too_soon"),
            ({"deliveries_failed": True}, "deliveries_failed"),
            ({"pauses": (Pause("invoice", date(2026, 3, 20)),)}, "paused_invoice"),
            ({"spent": frozenset({"+7", "+14", "+30"})}, "all_steps_done"),
        ],
    )
    def test_steps_that_are_gone_are_told(self, change: dict[str, object], why: str | None) -> None:
        decision = decide_reminder(replace(self.LATE, **change), ReminderPolicy(), FREE, date(2026, 3, 17))
        assert (code(decision), [step.name for step in decision.superseded]) == (why, ["-3", "+1"])

    def test_when_all_are_gone_no_day_is_named(self) -> None:
        decision = decide_reminder(
            replace(OPEN, recorded_on=date(2026, 5, 1)), ReminderPolicy(), FREE, date(2026, 5, 1)
        )
        assert (code(decision), decision.next_on) == ("all_steps_done", None)
        assert [step.name for step in decision.superseded] == ["-3", "+1", "+7", "+14", "+30"]

    def test_a_step_of_the_day_on_which_the_invoice_was_recorded_is_left(self) -> None:
        gone, left = remaining_steps(replace(OPEN, recorded_on=date(2026, 3, 11)), ReminderPolicy(), DUE)
        assert [step.name for step in gone] == ["-3"]
        assert [step.name for step in left] == ["+1", "+7", "+14", "+30"]

    @pytest.mark.parametrize(
        ("day", "name", "superseded"),
        [(10, "+1", ["-3"]), (11, "+1", ["-3"]), (16, "+1", ["-3"]), (17, "+7", ["-3", "+1"])],
    )
    def test_the_next_step_is_the_newest_that_is_due(self, day: int, name: str, superseded: list[str]) -> None:
        late = replace(OPEN, recorded_on=date(2026, 3, 8))
        step, old = next_step(late, ReminderPolicy(), DUE, date(2026, 3, day))
        assert step is not None
        assert (step.name, [one.name for one in old]) == (name, superseded)


class TestSteps:
    def test_once_a_step_is_sent_on_its_day_the_next_one_is_waited_for(self) -> None:
        decision = decide_reminder(OPEN, ReminderPolicy(), FREE, date(2026, 3, 11))
        assert (sent(decision), decision.next_on) == ("+1", date(2026, 3, 17))
        last = decide_reminder(OPEN, ReminderPolicy(), FREE, date(2026, 4, 9))
        assert (sent(last), last.next_on) == ("+30", None)

    def test_a_weekend_moves_a_step_and_does_not_spend_it(self) -> None:
        sendings = {
            day: sent(done) for day, done in live(OPEN, ReminderPolicy(), WEEKEND, date(2026, 3, 1), 60) if done.step
        }
        assert sendings == {
            date(2026, 3, 9): "-3",
            date(2026, 3, 11): "+1",
            date(2026, 3, 17): "+7",
            date(2026, 3, 24): "+14",
            date(2026, 4, 9): "+30",
        }

    def test_after_an_outage_the_newest_step_goes_once(self) -> None:
        late = decide_reminder(replace(OPEN, spent=frozenset({"-3"})), ReminderPolicy(), FREE, date(2026, 3, 25))
        assert (sent(late), [step.name for step in late.superseded]) == ("+14", ["+1", "+7"])

    def test_steps_from_before_the_invoice_was_recorded_are_superseded(self) -> None:
        late = decide_reminder(replace(OPEN, recorded_on=date(2026, 3, 20)), ReminderPolicy(), FREE, date(2026, 3, 20))
        assert (code(late), [step.name for step in late.superseded]) == ("not_yet", ["-3", "+1", "+7"])
        assert late.next_on == date(2026, 3, 24)

    def test_repetitions_follow_the_last_step_and_end(self) -> None:
        policy = ReminderPolicy(repeat_every_days=10, repeat_at_most=2)
        names = [sent(done) for _, done in live(OPEN, policy, WEEKEND, date(2026, 3, 1), DAYS) if done.step]
        assert names == ["-3", "+1", "+7", "+14", "+30", "+30.1", "+30.2"]

    def test_after_a_pause_the_newest_step_goes(self) -> None:
        paused = replace(OPEN, pauses=(Pause("invoice", date(2026, 3, 19)),), spent=frozenset({"-3", "+1"}))
        sendings = {
            day: sent(done) for day, done in live(paused, ReminderPolicy(), FREE, date(2026, 3, 12), 10) if done.step
        }
        assert sendings == {date(2026, 3, 20): "+7"}

    def test_released_invoices_begin_with_the_mildest_overdue_step(self) -> None:
        old = replace(OPEN, live_from=date(2026, 6, 1), released_on=date(2026, 6, 8), mode="live")
        sendings = {
            day: sent(done) for day, done in live(old, ReminderPolicy(), FREE, date(2026, 6, 8), 60) if done.step
        }
        assert sendings == {
            date(2026, 6, 8): "+1",
            date(2026, 6, 14): "+7",
            date(2026, 6, 21): "+14",
            date(2026, 7, 7): "+30",
        }

    def test_a_release_does_not_move_an_invoice_that_is_not_from_before_the_start(self) -> None:
        new = replace(OPEN, live_from=OPEN.issue_date, released_on=date(2026, 3, 20))
        assert sent(decide_reminder(new, ReminderPolicy(), FREE, date(2026, 3, 11))) == "+1"

    def test_steps_of_an_invoice_that_is_not_released_count_from_its_due_date(self) -> None:
        old = replace(OPEN, live_from=date(2026, 6, 1))
        assert remaining_steps(old, ReminderPolicy(), DUE) == remaining_steps(OPEN, ReminderPolicy(), DUE)

    @pytest.mark.parametrize(
        ("offsets", "gone", "left"),
        [
            ((-3, 0, 5), ["-3", "+0"], {"+5": date(2026, 6, 8)}),
            ((-3, 0), ["-3"], {"+0": date(2026, 6, 8)}),
            ((5, 10), [], {"+5": date(2026, 6, 8), "+10": date(2026, 6, 13)}),
        ],
    )
    def test_on_the_day_of_the_release_the_first_step_after_the_due_date_is_taken(
        self, offsets: tuple[int, ...], gone: list[str], left: dict[str, date]
    ) -> None:
        old = replace(OPEN, live_from=date(2026, 6, 1), released_on=date(2026, 6, 8))
        policy = ReminderPolicy(steps=tuple(PolicyStep(offset, "friendly") for offset in offsets))
        old_steps, steps = remaining_steps(old, policy, DUE)
        assert [step.name for step in old_steps] == gone
        assert {step.name: step.on for step in steps} == left

    def test_a_released_invoice_that_is_due_later_is_reminded_of_by_its_due_date(self) -> None:
        old = replace(OPEN, live_from=date(2026, 2, 2), released_on=date(2026, 3, 1))
        assert {step.name: step.on for step in remaining_steps(old, ReminderPolicy(), DUE)[1]}["+1"] == date(
            2026, 3, 11
        )

    @pytest.mark.parametrize(
        ("change", "asked"),
        [({}, 100), ({"disputed": 99}, 1), ({"credit": 99}, 1), ({"disputed": 30, "credit": 50}, 20)],
    )
    def test_what_is_left_to_ask_for_is_reminded_of(self, change: dict[str, int], asked: int) -> None:
        subject = replace(OPEN, **change)
        assert sent(decide_reminder(subject, ReminderPolicy(), WEEKEND, date(2026, 3, 11))) == "+1"
        assert subject.amount.asked == asked

    def test_what_is_paid_has_no_steps(self) -> None:
        paid = replace(OPEN, status="paid", balance=0)
        assert remaining_steps(paid, ReminderPolicy(), DUE) == ((), ())
        assert next_step(paid, ReminderPolicy(), DUE, date(2026, 3, 20)) == (None, ())

    @pytest.mark.parametrize(
        ("taken_until", "day", "gone", "next_name"),
        [
            # -3, +7 and +14 were sent; +1 and +3 are put into the policy afterwards.
            (date(2026, 3, 24), date(2026, 4, 5), ["+1", "+3"], "+30"),
            # Only -3 was sent: nothing lies before it.
            (date(2026, 3, 9), date(2026, 3, 9), [], "+1"),
            # A step of the very day of the newest one taken would be the same again; one of the day after is left.
            (date(2026, 3, 11), date(2026, 3, 11), ["+1"], "+3"),
            (date(2026, 3, 12), date(2026, 3, 13), ["+1"], "+3"),
            (date(2026, 3, 13), date(2026, 3, 13), ["+1", "+3"], "+30"),
        ],
    )
    def test_steps_put_before_the_newest_one_taken_are_superseded(
        self, taken_until: date, day: date, gone: list[str], next_name: str
    ) -> None:
        policy = ReminderPolicy(
            steps=tuple(PolicyStep(offset, "friendly") for offset in (-3, 1, 3, 7, 14, 30)), minimum_gap_days=0
        )
        subject = replace(OPEN, spent=frozenset({"-3", "+7", "+14"}), taken_until=taken_until)
        decision = decide_reminder(subject, policy, FREE, day)
        assert [step.name for step in decision.superseded] == gone
        step, _ = next_step(subject, policy, DUE, day)
        assert step is not None
        assert step.name == next_name


DATES = st.dates(date(2026, 1, 1), date(2027, 12, 31))


@st.composite
def policies(draw: st.DrawFn) -> ReminderPolicy:
    offsets = sorted(draw(st.sets(st.integers(-30, 120), min_size=1, max_size=8)))
    tones = sorted(draw(st.lists(st.integers(0, 3), min_size=len(offsets), max_size=len(offsets))))
    repeats = draw(st.none() | st.tuples(st.integers(1, 40), st.integers(1, 6)))
    spells = draw(st.lists(st.tuples(DATES, st.integers(0, 20)), max_size=3))
    return ReminderPolicy(
        steps=tuple(PolicyStep(offset, TONES[tone]) for offset, tone in zip(offsets, tones, strict=True)),
        repeat_every_days=repeats[0] if repeats else None,
        repeat_at_most=repeats[1] if repeats else 0,
        closing_days=tuple(draw(st.lists(DATES, max_size=10))),
        quiet_spells=tuple(QuietSpell(first, first + timedelta(days=length)) for first, length in spells),
        minimum_gap_days=draw(st.integers(0, 10)),
    )


@st.composite
def calendars(draw: st.DrawFn, policy: ReminderPolicy) -> Calendar:
    return Calendar(
        weekend=draw(st.sampled_from([frozenset(), frozenset({5, 6}), frozenset({4, 5}), frozenset({4})])),
        holidays=frozenset(draw(st.lists(DATES, max_size=30))),
        closing_days=frozenset(policy.closing_days),
        quiet_spells=policy.quiet_spells,
    )


@st.composite
def subjects(draw: st.DrawFn) -> ReminderCandidate:
    recorded = draw(DATES)
    due = draw(st.dates(date(2026, 1, 1), date(2027, 6, 30)))
    pauses = draw(st.lists(st.tuples(st.sampled_from(["invoice", "bill_group", "account"]), DATES), max_size=2))
    released = draw(st.none() | DATES)
    return replace(
        OPEN,
        due_date=due,
        recorded_on=recorded,
        issue_date=min(recorded, due),
        pauses=tuple(Pause(level, until) for level, until in pauses),
        live_from=draw(st.none() | DATES) if released is not None else None,
        released_on=released,
    )


class TestWhateverHappens:
    @settings(max_examples=ROUNDS, deadline=None)
    @given(st.data())
    def test_each_step_goes_at_most_once_and_only_when_it_may(self, data: st.DataObject) -> None:
        policy = data.draw(policies())
        check_reminder_policy(policy)
        calendar = data.draw(calendars(policy))
        subject = data.draw(subjects())
        done: list[str] = []
        before: date | None = None
        for today, decision in live(subject, policy, calendar, date(2026, 1, 1), DAYS):
            done += [step.name for step in decision.superseded]
            assert (decision.step is None) != (decision.reason is None)
            assert decision.next_on is None or decision.next_on > today
            if decision.step is None:
                continue
            done.append(decision.step.name)
            assert calendar.closed(today) is None
            assert decision.step.on <= today
            assert subject.due_date is not None
            assert today >= subject.due_date + timedelta(days=decision.step.offset)
            assert all(pause.until is not None and pause.until < today for pause in subject.pauses)
            assert before is None or (today - before).days >= policy.minimum_gap_days
            before = today
        assert len(done) == len(set(done))

    @settings(max_examples=ROUNDS, deadline=None)
    @given(st.data())
    def test_looking_only_on_the_days_that_were_named_loses_nothing(self, data: st.DataObject) -> None:
        policy = data.draw(policies())
        calendar = data.draw(calendars(policy))
        subject = data.draw(subjects())
        daily = [
            (day, sent(done)) for day, done in live(subject, policy, calendar, date(2026, 1, 1), DAYS) if done.step
        ]
        planned = [
            (day, sent(done))
            for day, done in live(subject, policy, calendar, date(2026, 1, 1), DAYS, only_when_planned=True)
            if done.step
        ]
        assert planned == daily

    @settings(max_examples=ROUNDS, deadline=None)
    @given(st.data())
    def test_a_change_of_policy_neither_repeats_nor_goes_back(self, data: st.DataObject) -> None:
        calendar = data.draw(calendars(ReminderPolicy()))
        subject = replace(OPEN, recorded_on=data.draw(st.dates(date(2026, 1, 1), date(2026, 4, 1))))
        policy = data.draw(policies())
        changes = data.draw(st.dictionaries(st.integers(0, 250), policies(), min_size=1, max_size=5))
        done: list[str] = []
        newest: date | None = None
        for number in range(300):
            today = date(2026, 1, 1) + timedelta(days=number)
            policy = changes.get(number, policy)
            if today < subject.recorded_on:
                continue
            decision = decide_reminder(subject, policy, calendar, today)
            names = [step.name for step in decision.superseded]
            if decision.step is not None:
                assert newest is None or decision.step.on > newest
                newest = today
                names.append(decision.step.name)
                subject = replace(subject, last_reminded_on=today, taken_until=today)
            if newest is not None:
                assert all(
                    step.on > newest for step in remaining_steps(subject, policy, DUE)[1] if step.name not in names
                )
            done += names
            subject = replace(subject, spent=subject.spent | set(names))
        assert len(done) == len(set(done))

    @settings(max_examples=ROUNDS, deadline=None)
    @given(policies(), DATES)
    def test_names_of_steps_are_unique_and_in_order_of_days(self, policy: ReminderPolicy, anchor: date) -> None:
        steps = planned_steps(policy, anchor)
        assert len({step.name for step in steps}) == len(steps)
        assert [step.on for step in steps] == sorted(step.on for step in steps)


def test_the_default_policy_is_that_of_the_rules() -> None:
    check_reminder_policy(ReminderPolicy())
    assert [step.offset for step in DEFAULT_STEPS] == [-3, 1, 7, 14, 30]
