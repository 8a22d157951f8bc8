"""A report of every step of every invoice of the replayed year, computed without the code under test.

Due days come from the sample's files; the reason why a step was not sent is the one that staff read.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import holidays

from chalicelib.table.items import EmailItem
from infra.local.sample import load
from tests.integration.reminders.world import digests, rows
from tests.integration.reminders.year import CLOSING_DAY, EVERY_DAY, HELD, QUIET, Replay

SENT, SUPERSEDED, TOO_OLD, SKIPPED, MOVED, NOT_YET = (
    "sent",
    "superseded by a newer step",
    "older than what is known of the invoice",
    "skipped by staff",
    "the due date was changed before",
    "not yet due on the last day",
)
_DEFAULT_OFFSETS = (-3, 1, 7, 14, 30)
_CLOSED = ("weekend", "holiday", "closing_day", "quiet_spell")
_DUE_DATE_CHANGED = "invoice.due_date_changed"
_OUTCOMES = {"sent": SENT, "skipped": SKIPPED}


class Terms:
    """How an account is reminded."""

    def __init__(self, replay: Replay, account_id: str) -> None:
        account = replay.sample.accounts[account_id]["account"]
        policy = replay.policy(account["entity_id"])
        self.zone = ZoneInfo(account["time_zone"])
        self.begins = time.fromisoformat(policy.get("send_at", "09:00"))
        self.gap = timedelta(days=policy.get("minimum_gap_days", 2))
        offsets = [step["offset"] for step in policy.get("steps", ())] or list(_DEFAULT_OFFSETS)
        self.steps = {f"{offset:+d}": offset for offset in offsets}
        for number in range(1, policy.get("repeat_at_most", 0) + 1):
            self.steps[f"{offsets[-1]:+d}.{number}"] = offsets[-1] + number * policy["repeat_every_days"]
        spells = [(one["first"], one["last"]) for one in policy.get("quiet_spells", ())]
        if account["entity_id"] == "lanternfield-jp" and replay.span.whole:
            spells.append(QUIET)
        self._spells = spells
        self._closing = list(policy.get("closing_days", ()))
        if account["entity_id"] == "lanternfield-de" and replay.span.whole:
            self._closing.append(CLOSING_DAY)
        self._calendar = None if account_id in EVERY_DAY else _calendar(account)

    def closed(self, day: date) -> str | None:
        """Return why nobody is reminded on a day."""
        if day.isoformat() in self._closing:
            return "closing day"
        if any(first <= day.isoformat() <= last for first, last in self._spells):
            return "quiet spell"
        if self._calendar is None or self._calendar.is_working_day(day):
            return None
        return "weekend" if self._calendar.is_weekend(day) else "public holiday"

    def first_free(self, day: date) -> date:
        while self.closed(day) is not None:
            day += timedelta(days=1)
        return day


def _calendar(account: load.Data) -> Any:
    years = range(2025, 2028)
    subdivision = account.get("subdivision", "").partition("-")[2]
    try:
        return holidays.country_holidays(account["country"], subdiv=subdivision or None, years=years)
    except NotImplementedError:
        return holidays.country_holidays(account["country"], years=years)


@dataclass(frozen=True)
class Line:
    """What became of one step of an invoice, of one due date."""

    invoice_id: str
    account_id: str
    due: date
    step: str
    on: date
    """From when on it was due."""
    fate: str
    taken_on: date | None = None
    digest_id: str | None = None

    @property
    def sent_on(self) -> date | None:
        return self.taken_on if self.fate == SENT else None


class YearReport:
    """The account of the year. Drawing it up fails where a step is not accounted for."""

    def __init__(self, replay: Replay) -> None:
        self.replay = replay
        self.terms = {account_id: Terms(replay, account_id) for account_id in replay.sample.accounts}
        self.held_up: Counter[str] = Counter()
        self.owners = {
            group_id: account_id
            for account_id, one in replay.sample.accounts.items()
            for group_id in one["bill_groups"]
        }
        self.mailed = [(at, envelope) for at, envelope in replay.post.taken if envelope.kind == "reminder"]
        self.lines = [line for invoice_id in replay.invoices for line in self._lines(invoice_id)]

    def _lines(self, invoice_id: str) -> Iterable[Line]:
        invoice, group_id = self.replay.invoices[invoice_id]
        account_id = self.owners[group_id]
        terms = self.terms[account_id]
        told = self.replay.service.get(f"/invoices/{invoice_id}/reminders")
        self.held_up.update(one["code"] for one in told["reasons"])
        taken = {(date.fromisoformat(one["due_date"]), one["step"]): one for one in told["taken"]}
        assert len(taken) == len(told["taken"]), (invoice_id, "a step was taken twice")
        if invoice.get("kind") == "credit_note":
            assert (taken, told["why_not"]["code"]) == ({}, "credit_note")
            return
        due_dates = self._due_dates(invoice, account_id)
        for (due, known_on), moved_on in zip(due_dates, [*(day for _, day in due_dates[1:]), date.max], strict=True):
            for step, offset in terms.steps.items():
                on = due + timedelta(days=offset)
                entry = taken.pop((due, step), None)
                where = (invoice_id, due.isoformat(), step, told)
                first = max(terms.first_free(on), known_on)
                if entry is None:
                    fate = MOVED if first >= moved_on else _why_not(first, told, where)
                    yield Line(invoice_id, account_id, due, step, on, fate)
                    continue
                taken_on = date.fromisoformat(entry["on"])
                fate = _OUTCOMES.get(entry["outcome"], SUPERSEDED if on >= known_on else TOO_OLD)
                if fate in (SENT, SUPERSEDED):
                    assert taken_on >= on, where
                    assert terms.closed(taken_on) is None, where
                    assert taken_on == first or _explained(first, told), where
                yield Line(invoice_id, account_id, due, step, on, fate, taken_on, entry["digest_id"])
        assert not taken, (invoice_id, "steps were taken that no policy has", taken)

    def _due_dates(self, invoice: load.Data, account_id: str) -> list[tuple[date, date]]:
        """Return each due date of an invoice and when it was set, from the audit."""
        issued = date.fromisoformat(invoice["issued"])
        days = self.replay.sample.accounts[account_id]["account"]["payment_terms"].get("days", 0)
        first = (issued + timedelta(days=days), max(issued, self.replay.span.first))
        later = [(due, at.date()) for at, one, due in self.replay.deferred() if one == invoice["id"]]
        if later:
            events = self.replay.service.all_of(f"/accounts/{account_id}/audit-events")
            told = [one for one in events if (one["resource_id"], one["action"]) == (invoice["id"], _DUE_DATE_CHANGED)]
            assert sorted(one["at"][:10] for one in told) == sorted(day.isoformat() for _, day in later)
        return [first, *later]

    @property
    def moved(self) -> Counter[str]:
        """Count what was sent later because somebody was closed on the day on which it was due."""
        sent = [(line, self.terms[line.account_id].closed(line.on)) for line in self.lines if line.fate == SENT]
        return Counter(why for _, why in sent if why is not None)

    def check_mails(self) -> None:
        """Assert that each step that was sent is in one digest, mailed to each contact once, on a morning."""
        told = [(one.digest_id, invoice_id) for one in digests() for invoice_id in one.claimed]
        assert sorted(told) == sorted((str(one.digest_id), one.invoice_id) for one in self.lines if one.fate == SENT)
        handed = Counter(envelope.email_id for _, envelope in self.mailed)
        assert set(handed.values()) <= {1}, "SES was handed a mail twice"
        accounts = {item.email_id: item for item in rows(EmailItem) if item.kind == "reminder"}
        assert set(handed) == set(accounts), "mails that were not sent"
        assert {item.status for item in accounts.values()} <= {"delivered", "bounced"}
        at_of = {envelope.email_id: (at, envelope) for at, envelope in self.mailed}
        seen: list[str] = []
        for digest in digests():
            assert digest.status == "mailed", digest.attribute_values
            frozen = {one["invoice_id"]: one["step"] for one in digest.invoices}
            of_digest = {one.invoice_id: one for one in self.lines if one.digest_id == digest.digest_id and one.sent_on}
            assert {one.invoice_id: one.step for one in of_digest.values()} == frozen
            assert {one.sent_on for one in of_digest.values()} == {digest.on}
            terms = self.terms[digest.account_id]
            reached: dict[str, set[str]] = {}
            for one in digest.recipients:
                at, envelope = at_of[one["email_id"]]
                seen.append(one["email_id"])
                local = at.astimezone(terms.zone)
                since = local.replace(tzinfo=None) - datetime.combine(digest.on, terms.begins)
                assert timedelta() <= since < timedelta(hours=1), (digest.account_id, local)
                (address,) = envelope.to
                reached[address] = set(one["invoice_ids"])
            assert reached == self._expected(digest.account_id, set(frozen), at_of[digest.recipients[0]["email_id"]][0])
        assert sorted(seen) == sorted(handed)

    def _expected(self, account_id: str, invoice_ids: set[str], at: datetime) -> dict[str, set[str]]:
        """Return the contacts who must have been reminded, with their invoices, as the sample names them."""
        account = self.replay.sample.accounts[account_id]
        expected: dict[str, set[str]] = {}
        for invoice_id in invoice_ids:
            group = account["bill_groups"][self.replay.invoices[invoice_id][1]]
            for name in group.get("payable") or account["contacts"]:
                contact = account["contacts"][name]
                if "p" in contact["roles"] and not contact.get("gone") and not self._is_suppressed(contact, at):
                    expected.setdefault(contact["email"], set()).add(invoice_id)
        return expected

    def _is_suppressed(self, contact: load.Data, at: datetime) -> bool:
        post, email = self.replay.post, contact["email"]
        bounced = [when for address, when in post.bounced if address == email and when < at]
        return bool(bounced) and not bounced[-1] < post.mended.get(email, bounced[-1]) <= at

    def check_superseded(self) -> None:
        """Assert that what was superseded gave way to a newer step, which was taken on that day."""
        for line in self.lines:
            if line.fate == SUPERSEDED:
                newer = [
                    one
                    for one in self.lines
                    if (one.invoice_id, one.due, one.taken_on) == (line.invoice_id, line.due, line.taken_on)
                    and one.digest_id == line.digest_id
                    and one.fate in (SENT, SKIPPED)
                    and one.on > line.on
                ]
                assert len(newer) == 1, line

    def check_days(self) -> None:
        """Assert that no account is reminded more often than its gap allows, nor of what is settled or on hold."""
        for account_id, terms in self.terms.items():
            days = sorted({one.sent_on for one in self.lines if one.account_id == account_id and one.sent_on})
            for before, after in pairwise(days):
                assert after - before >= terms.gap, (account_id, before, after)
        for line in self.lines:
            invoice, _ = self.replay.invoices[line.invoice_id]
            ends = [one["day"] for one in invoice.get("then", ()) if one.get("paid", "all") == "all"]
            if line.sent_on is not None:
                assert all(line.sent_on.isoformat() <= end for end in ends), line
                assert all(not first < line.sent_on <= last for first, last in [HELD.get(line.invoice_id, _NEVER)]), (
                    line
                )

    def table(self, seconds: float) -> str:
        """Return the sums of the account."""
        fates = Counter(line.fate for line in self.lines)
        not_sent = sorted((fate, count) for fate, count in fates.items() if fate not in (SENT, NOT_YET))
        found: list[tuple[str, object]] = [
            ("from, to", f"{self.replay.span.first}, {self.replay.span.last}"),
            ("hours run", self.replay.hours),
            ("accounts", len(self.terms)),
            ("invoices and credit notes", len(self.replay.invoices)),
            ("steps of invoices", len(self.lines)),
            ("  sent, once", fates[SENT]),
            *((f"    later for a {why}", count) for why, count in sorted(self.moved.items())),
            *((f"  not sent: {fate}", count) for fate, count in not_sent),
            (f"  {NOT_YET}", fates[NOT_YET]),
            ("digests", len(digests())),
            ("mails, one for each contact", len(self.mailed)),
            *((f"reason noted on the way: {code}", count) for code, count in sorted(self.held_up.items())),
            ("seconds", round(seconds)),
        ]
        width = max(len(name) for name, _ in found)
        return "\n".join(f"{name:{width}}  {value}" for name, value in found)


_NEVER = (date.max, date.max)


def _why_not(first: date, told: Any, where: object) -> str:
    """Return the reason why a step was not taken, as it stands written; there must be one by the day it was due."""
    if first > date.fromisoformat(told["today"]):
        return NOT_YET
    assert told["why_not"], where
    assert told["reasons"], where
    noted, now = told["reasons"][-1], told["why_not"]["code"]
    # Where it was paid, or today is a holiday, nobody has looked at it since.
    assert now in {noted["code"], "paid", *_CLOSED}, where
    assert _explained(first, told), where
    return str(noted["text"])


def _explained(first: date, told: Any) -> bool:
    """Tell whether it stands written why nothing was sent on the first day on which a step could have been."""
    before = [one["on"] for one in told["taken"] if one["outcome"] == "sent" and one["on"] <= first.isoformat()]
    since = max(before, default="")
    return any(since <= one["since"] <= first.isoformat() for one in told["reasons"])
