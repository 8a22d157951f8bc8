"""The outbox: every email is first a row, written in the transaction of its cause (I4)."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from chalicelib import ids
from chalicelib.errors import LimitReached
from chalicelib.mail import portal_limits
from chalicelib.observability import logger, metrics
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import EmailItem
from chalicelib.tasks.kinds import SendBulkEmail, SendEmail, SendPasswordEmail, SendUrgentEmail
from chalicelib.tasks.service import add_task

_RETENTION_WITHOUT_ACCOUNT = timedelta(days=7)

OverLimit = Literal["refuse", "withhold", "send"]
OVER_LIMIT = "limit"
"""The reason of an email that was withheld because its causer was over a limit (A5, A13)."""


@dataclass(frozen=True)
class Mail:
    """An email to send: recipients, and the context of its templates.

    ``kind`` names the templates, ``context`` gives them plain JSON values, ``locale`` is the language (I8). After
    ``lifetime`` it is not sent any more. Urgent emails (sign-in, passwords) do not wait behind bulk. The content of a
    security email is neither stored nor shown. An empty ``entity_id`` is decided when the email is claimed.
    """

    kind: str
    entity_id: str
    account_id: str | None
    to: tuple[str, ...]
    locale: str
    lifetime: timedelta
    context: dict[str, Any] = field(default_factory=dict)
    bill_group_id: str | None = None
    contact_id: str | None = None
    cc: tuple[str, ...] = ()
    urgent: bool = False
    about_password: bool = False
    """An urgent email that waits in a queue of its own, so that requests for it delay no sign-in (A13)."""
    security: bool = False
    bill_group_ids: tuple[str, ...] = ()
    """For an email about several: a portal user needs access to each of them to see it (A9)."""
    resent_from: str | None = None
    """The email that this one repeats."""
    about_account_id: str | None = None
    """Of an email to staff, which is in no account's history: the account whose person caused it (A13)."""


def enqueue_mail(
    transaction: store.Transaction,
    context: RequestContext,
    mail: Mail | None,
    *,
    over_limit: OverLimit = "refuse",
) -> str | None:
    """Add ``mail`` and the task to send it to ``transaction`` and return its id.

    None, and nothing is added, without an email (a setting is off) or if the context allows none (an import).

    What a portal user causes is limited (A13), which reads the counts. Over the limit, ``refuse`` raises LimitReached;
    ``withhold`` stores the email as failed, for where what caused it must go on; ``send`` counts nothing, for notices
    that must always arrive.
    """
    if mail is None or not context.mails_allowed:
        return None
    withheld = False
    if over_limit != "send" and portal_limits.is_limited(context):
        withheld = not _is_within_limits(transaction, context, mail, over_limit)
    email_id = ids.new_id(ids.EMAIL_PREFIX, context.now)
    key = keys.email(email_id)
    listed = keys.email_listed(mail.account_id, email_id) if mail.account_id else None
    transaction.create(
        EmailItem(
            key.pk,
            key.sk,
            gsi1_pk=listed.pk if listed else None,
            gsi1_sk=listed.sk if listed else None,
            email_id=email_id,
            kind=mail.kind,
            urgent=mail.urgent,
            security=mail.security,
            status="failed" if withheld else "queued",
            reason=OVER_LIMIT if withheld else None,
            entity_id=mail.entity_id,
            account_id=mail.account_id,
            bill_group_id=mail.bill_group_id,
            bill_group_ids=list(mail.bill_group_ids),
            contact_id=mail.contact_id,
            to=list(mail.to),
            cc=list(mail.cc),
            locale=mail.locale,
            context=mail.context,
            created_at=context.now,
            not_after=context.now + mail.lifetime,
            resent_from=mail.resent_from,
            correlation_id=context.correlation_id,
            # An email without an account is in no history, and its address may be a stranger's.
            expires_at=None if mail.account_id else context.now + _RETENTION_WITHOUT_ACCOUNT,
        )
    )
    if not withheld:
        add_task(transaction, context, _choose_task(mail)(email_id))
    return email_id


def _is_within_limits(
    transaction: store.Transaction, context: RequestContext, mail: Mail, over_limit: OverLimit
) -> bool:
    """Count an email that a portal user causes. Raises LimitReached where that refuses the whole use case."""
    account_id = mail.account_id or mail.about_account_id
    # Staff are not protected from a customer's own answers by address: one customer would silence all others.
    addresses = (*mail.to, *mail.cc) if mail.account_id else ()
    copy = mail.kind in portal_limits.COPY_KINDS or mail.resent_from is not None
    try:
        portal_limits.count_email(transaction, context, account_id, addresses, copy=copy)
    except LimitReached:
        if over_limit == "refuse":
            raise
        logger.warning("An email is withheld: its causer is over a limit.", extra={"email_kind": mail.kind})
        metrics.add_metric(name="MailWithheld", unit="Count", value=1)
        return False
    return True


def _choose_task(mail: Mail) -> type[SendEmail]:
    if mail.about_password:
        return SendPasswordEmail
    return SendUrgentEmail if mail.urgent else SendBulkEmail
