"""Send an email of the history again (I5): a new outbox row with the same content, for the remaining recipients."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from chalicelib.audit.rules import FieldChange
from chalicelib.audit.service import record_audit_event
from chalicelib.errors import Conflict, LimitReached, NotFound
from chalicelib.mail import outbox, rules
from chalicelib.mail.outbox import Mail
from chalicelib.mail.service import Email
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import EmailItem, InvoiceItem
from chalicelib.table.suppressed import find_suppressed, suppression_keys

MAX_RESENDS_PER_DAY = 5
"""Resends per email and day."""
_DAY = timedelta(days=1)
_VOID = "void"
_IN_PROGRESS = frozenset({rules.QUEUED, rules.SENDING, rules.UNKNOWN})


def resend(context: RequestContext, account_id: str, email_id: str, seen: Callable[[Email], bool]) -> str:
    """Send an email of the account once more, and return the id of the new one; two reads and one transaction.

    It goes to those of its recipients who are contacts of the account still and whose addresses are not suppressed.
    Raises NotFound where there is no such email that the caller may see, Conflict where it cannot be sent again,
    LimitReached where it was too often.
    """

    def attempt() -> str:
        item = store.get_item(EmailItem, keys.email(email_id))
        email = store.from_item(Email, item) if item is not None and item.account_id == account_id else None
        if item is None or email is None or not seen(email):
            raise NotFound()
        _check_resendable(email, item)
        first_id = item.resent_from or email_id
        addresses = tuple(dict.fromkeys((*email.to, *email.cc)))
        wanted = [keys.email(first_id)]
        wanted += [keys.contact_address(account_id, one) for one in addresses]
        wanted += suppression_keys(addresses)
        invoices = [keys.invoice(one["invoice_id"]) for one in item.context.get("invoices", [])]
        wanted += invoices
        rows = store.get_items_for_write(context, *wanted)
        found = {key: row for key, row in zip(wanted, rows, strict=True) if row is not None}
        _check_not_void([found.get(key) for key in invoices])
        first, known = rows[0], rows[1 : 1 + len(addresses)]
        left = _eligible_recipients(addresses, known, find_suppressed(addresses, found))
        counting = first or item
        counting.resent_at = [
            keys.format_instant(one) for one in (*_recent_resends(counting, context.now), context.now)
        ]
        transaction = store.Transaction(context)
        transaction.replace(counting)
        new_id = outbox.enqueue_mail(transaction, context, _build_resent_mail(email, item, left, first_id))
        record_audit_event(
            transaction,
            context,
            "email.sent_again",
            "email",
            email_id,
            (FieldChange("email_id", None, new_id),),
            account_id=account_id,
            bill_group_id=email.bill_group_id,
        )
        transaction.record_response(str(new_id), 202)
        transaction.commit()
        return str(new_id)

    return store.retry_on_conflict(attempt)


def _check_resendable(email: Email, item: EmailItem) -> None:
    if email.security:
        raise Conflict("never_sent_again", "Sign-in emails cannot be resent. Request a new one.")
    if email.status in _IN_PROGRESS and email.reason != rules.EXPIRED:
        raise Conflict("email_under_way", "This email is still being sent. Wait until its outcome is known.")
    if not item.context:
        raise Conflict("email_erased", "The content of this email was erased, so it cannot be resent.")


def _check_not_void(invoices: Sequence[InvoiceItem | None]) -> None:
    """Raise Conflict when the email would hold void invoices only: its preparation would withhold it."""
    if invoices and all(one is None or one.status == _VOID for one in invoices):
        raise Conflict("invoice_is_void", "This email is only about void invoices, which are not sent any more.")


def _eligible_recipients(addresses: tuple[str, ...], known: list[object], suppressed: frozenset[str]) -> frozenset[str]:
    """Return the remaining recipients. Raises Conflict when there are none."""
    contacts = [address for address, row in zip(addresses, known, strict=True) if row is not None]
    if not contacts:
        raise Conflict("nobody_left", "No recipient of this email is still a contact of the account.")
    left = frozenset(contacts) - suppressed
    if not left:
        raise Conflict(
            "address_suppressed",
            f"Email to {', '.join(contacts)} bounced or was marked as spam. Correct the address, or clear "
            "its suppression once it works again.",
            details={"addresses": contacts},
        )
    return left


def _recent_resends(item: EmailItem, now: datetime) -> list[datetime]:
    """Return when the email was sent again within a day. Raises LimitReached when that was too often."""
    lately = [one for one in map(datetime.fromisoformat, item.resent_at) if now - one < _DAY]
    if len(lately) >= MAX_RESENDS_PER_DAY:
        raise LimitReached(
            "resent_too_often",
            f"An email can be resent {MAX_RESENDS_PER_DAY} times a day.",
            retry_after=max(1, int((lately[0] + _DAY - now).total_seconds())),
        )
    return lately


def _build_resent_mail(email: Email, item: EmailItem, left: frozenset[str], first_id: str) -> Mail:
    to = tuple(address for address in email.to if address in left)
    cc = tuple(address for address in email.cc if address in left)
    return Mail(
        kind=email.kind,
        entity_id=email.entity_id,
        account_id=email.account_id,
        to=to or cc,
        cc=cc if to else (),
        locale=email.locale,
        lifetime=email.not_after - email.created_at,
        context=item.context,
        bill_group_id=email.bill_group_id,
        bill_group_ids=email.bill_group_ids,
        contact_id=email.contact_id,
        urgent=item.urgent,
        resent_from=first_id,
    )
