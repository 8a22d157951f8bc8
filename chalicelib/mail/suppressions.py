"""Suppressed addresses: after a permanent bounce or a complaint, no mail until a person clears it (I6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from chalicelib.audit import rules as audit_rules
from chalicelib.audit import service as audit
from chalicelib.call import Call
from chalicelib.duties import service as duties
from chalicelib.errors import NotFound
from chalicelib.mail import reports
from chalicelib.mail.reports import Event
from chalicelib.mail.rules import State
from chalicelib.table import keys, store
from chalicelib.table.items import SuppressionItem


@dataclass(frozen=True)
class Suppression:
    """Why an address gets no mail, and since when (UTC)."""

    email: str
    reason: str
    """``permanent_bounce`` or ``complaint``."""
    since: datetime
    email_id: str | None = None
    """The mail that bounced or was complained about."""
    detail: str | None = None


_CAUSES = (reports.PERMANENT_BOUNCE, reports.COMPLAINT)


@dataclass(frozen=True)
class Cause:
    """A report for which an address is to be suppressed.

    ``new``: it is the first of its kind about the mail and the recipient. Another one only corrects what is known.
    """

    suppression: Suppression
    new: bool


def causes(email_id: str, before: State, after: State, event: Event) -> tuple[Cause, ...]:
    """Return for which addresses ``event``, which has led from one state to the other, is a cause to send no more.

    A report that was noted before is none, so that a repetition does not undo what a person has cleared.
    """
    if event.kind not in _CAUSES:
        return ()
    known = {one.email: one.kinds for one in before.recipients}
    now = {one.email: one.kinds for one in after.recipients}
    since = datetime.fromisoformat(event.at)
    return tuple(
        Cause(
            Suppression(email, event.kind, since, email_id, event.detail or None),
            new=event.kind not in known.get(email, {}),
        )
        for email in event.recipients
        if now[email][event.kind] != known.get(email, {}).get(event.kind)
    )


def graver(first: Suppression | None, second: Suppression) -> Suppression:
    """Return which of two suppressions of an address stands: the complaint, else the earlier one."""
    if first is None:
        return second
    return min(
        first, second, key=lambda one: (-_CAUSES.index(one.reason), one.since, one.email_id or "", one.detail or "")
    )


def add(transaction: store.Transaction, call: Call, found: Sequence[Cause]) -> list[str]:
    """Suppress addresses in ``transaction``, and return those that were not suppressed before.

    Whether their contacts' roles are still reachable (C9) is looked into afterwards: a duty asks for it.
    """
    rows = store.batch([keys.suppression(cause.suppression.email) for cause in found]) if found else {}
    fresh: list[str] = []
    for cause in found:
        email = cause.suppression.email
        key = keys.suppression(email)
        item = rows.get(key)
        if item is None and not cause.new:
            continue
        before = store.load(Suppression, item) if item else None
        after = graver(before, cause.suppression)
        if after == before:
            continue
        row = store.row(SuppressionItem, key, after, listed=keys.suppression_listed(email))
        row.version = item.version if item else 1
        transaction.put(row, new=item is None)
        if item is None:
            fresh.append(email)
            duties.add(transaction, call, "coverage", email)
    return fresh


def get_suppression(email: str) -> Suppression:
    """Return why an address gets no mail. Raises NotFound when it does."""
    item = store.get(SuppressionItem, keys.suppression(email))
    if item is None:
        raise NotFound("This address is not suppressed.")
    return store.load(Suppression, item)


def list_suppressions(after: str | None, limit: int) -> tuple[list[Suppression], str | None]:
    """Return a page of the suppressed addresses, in order, and where the next one begins."""
    page = store.query_index(keys.suppression_listed("").pk, limit=limit, after=after)
    return [store.load(Suppression, item) for item in page.items], page.after


def clear(call: Call, email: str) -> Suppression:
    """Let an address get mail again, and return why it got none. Raises NotFound when it gets mail already."""

    def attempt() -> Suppression:
        key = keys.suppression(email)
        (item,) = store.gather(call, key)
        if item is None:
            raise NotFound("This address is not suppressed.")
        before = store.load(Suppression, item)
        transaction = store.Transaction(call)
        transaction.delete(item)
        changed = audit_rules.changes(before, None)
        audit.record(transaction, call, "suppression.cleared", "suppression", email, changed)
        duties.add(transaction, call, "coverage", email)
        transaction.answers(email, 204)
        transaction.commit()
        return before

    return store.deciding_again(attempt)
