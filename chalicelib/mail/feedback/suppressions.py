"""Suppressed addresses: after a permanent bounce or a complaint, no email until a person clears it (I6)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.audit.rules import diff_fields
from chalicelib.audit.service import record_audit_event
from chalicelib.errors import NotFound
from chalicelib.mail import reports
from chalicelib.mail.reports import Event
from chalicelib.mail.rules import MailState
from chalicelib.mailboxes import mailbox_of
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import SuppressionItem
from chalicelib.table.suppressed import COMPLAINT, suppression_keys
from chalicelib.tasks.kinds import CheckRoleCoverage
from chalicelib.tasks.service import add_task


@dataclass(frozen=True)
class Suppression:
    """Why an address is suppressed, and since when (UTC)."""

    email: str
    reason: str
    """``permanent_bounce`` or ``complaint``."""
    since: datetime
    email_id: str | None = None
    """The email that bounced or was complained about."""
    detail: str | None = None


_SUPPRESSING_EVENTS = (reports.PERMANENT_BOUNCE, reports.COMPLAINT)


@dataclass(frozen=True)
class SuppressionCause:
    """An event that suppresses an address.

    ``new``: it is the first of its kind about the email and the recipient. A repeated one only corrects the row.
    """

    suppression: Suppression
    new: bool


def suppression_causes(
    email_id: str, before: MailState, after: MailState, event: Event
) -> tuple[SuppressionCause, ...]:
    """Return the addresses that ``event``, which led from one state to the other, suppresses.

    An event that was recorded before suppresses none, so that a repetition does not undo what a person cleared.
    """
    if event.kind not in _SUPPRESSING_EVENTS:
        return ()
    known = {one.email: one.kinds for one in before.recipients}
    now = {one.email: one.kinds for one in after.recipients}
    since = datetime.fromisoformat(event.at)
    return tuple(
        SuppressionCause(
            Suppression(email, event.kind, since, email_id, event.detail or None),
            new=event.kind not in known.get(email, {}),
        )
        for email in event.recipients
        if now[email][event.kind] != known.get(email, {}).get(event.kind)
    )


def more_severe_suppression(first: Suppression | None, second: Suppression) -> Suppression:
    """Return the suppression to keep of two for an address: the complaint, else the earlier one."""
    if first is None:
        return second
    return min(
        first,
        second,
        key=lambda one: (-_SUPPRESSING_EVENTS.index(one.reason), one.since, one.email_id or "", one.detail or ""),
    )


def suppress_addresses(
    transaction: store.Transaction, context: RequestContext, found: Sequence[SuppressionCause]
) -> list[str]:
    """Suppress addresses in ``transaction``, and return those that were not suppressed before.

    A permanent bounce suppresses the exact address, a complaint the mailbox: whoever complains means no tag of it.

    A task checks afterwards whether the roles of their contacts are still reachable (C9).
    """
    merged = _merge_causes(found)
    rows = store.batch_get_items([keys.suppression(email) for email in merged])
    fresh: list[str] = []
    for email, cause in merged.items():
        key = keys.suppression(email)
        item = rows.get(key)
        if item is None and not cause.new:
            continue
        before = store.from_item(Suppression, item) if item else None
        after = more_severe_suppression(before, cause.suppression)
        if after == before:
            continue
        row = store.to_item(SuppressionItem, key, after, listed=keys.suppression_listed(email))
        row.version = item.version if item else 1
        transaction.put(row, new=item is None)
        if item is None:
            fresh.append(email)
        if before is None or before.reason != after.reason:
            concerned = {email, *(one.suppression.email for one in found if _suppressed_address(one) == email)}
            for address in sorted(concerned):
                add_task(transaction, context, CheckRoleCoverage(address))
    return fresh


def _suppressed_address(cause: SuppressionCause) -> str:
    """Return the address whose row ``cause`` writes: of a complaint the mailbox, of a bounce the exact address."""
    suppression = cause.suppression
    return mailbox_of(suppression.email) if suppression.reason == reports.COMPLAINT else suppression.email


def _merge_causes(found: Sequence[SuppressionCause]) -> dict[str, SuppressionCause]:
    """Return one cause for each address whose row is written, the most severe."""
    merged: dict[str, SuppressionCause] = {}
    for cause in found:
        email = _suppressed_address(cause)
        known = merged.get(email)
        suppression = more_severe_suppression(
            known.suppression if known else None, replace(cause.suppression, email=email)
        )
        merged[email] = SuppressionCause(suppression, new=cause.new or (known is not None and known.new))
    return merged


def get_suppression(email: str) -> Suppression:
    """Return why an address is suppressed: its own row, or the complaint of its mailbox. Raises NotFound without."""
    wanted = suppression_keys([email])
    found = store.batch_get_items(wanted)
    return store.from_item(Suppression, _decisive_rows(email, [found.get(key) for key in wanted])[0])


def _decisive_rows(email: str, rows: Sequence[SuppressionItem | None]) -> list[SuppressionItem]:
    """Return those of the rows of ``suppression_keys`` that suppress ``email``, its own first. Raises NotFound."""
    found = [row for row in rows if row is not None and (row.email == email or row.reason == COMPLAINT)]
    if not found:
        raise NotFound("This address is not suppressed.")
    return found


def list_suppressions(after: str | None, limit: int) -> tuple[list[Suppression], str | None]:
    """Return a page of the suppressed addresses, in order, and where the next one begins."""
    page = store.query_items_by_index(keys.suppression_listed("").pk, limit=limit, after=after)
    return [store.from_item(Suppression, item) for item in page.items], page.after


def clear(context: RequestContext, email: str) -> Suppression:
    """Clear the suppression of an address, with a complaint of its mailbox, and return it. Raises NotFound without."""

    def attempt() -> Suppression:
        rows = _decisive_rows(email, store.get_items_for_write(context, *suppression_keys([email])))
        before = store.from_item(Suppression, rows[0])
        transaction = store.Transaction(context)
        for row in rows:
            transaction.delete(row)
        changed = diff_fields(before, None)
        record_audit_event(transaction, context, "suppression.cleared", "suppression", email, changed)
        for address in sorted({email, *(row.email for row in rows)}):
            add_task(transaction, context, CheckRoleCoverage(address))
        transaction.record_response(email, 204)
        transaction.commit()
        return before

    return store.retry_on_conflict(attempt)
