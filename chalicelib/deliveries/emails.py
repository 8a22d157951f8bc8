"""The email with invoices. Its content is resolved when it is sent (``mail_content``)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from chalicelib.accounts.rules import Account
from chalicelib.contacts.rules import Recipient
from chalicelib.entities.rules import Entity
from chalicelib.invoices.rules import Invoice
from chalicelib.mail.outbox import Mail

INVOICE = "invoice"
LIFETIME = timedelta(days=7)


@dataclass(frozen=True)
class MailedInvoice:
    """An invoice in an email: whether its PDF is attached, and the names of those who get it by another email."""

    invoice: Invoice
    attached: bool
    others: tuple[str, ...] = ()


def invoice_mail(
    entity: Entity,
    account: Account,
    to: Sequence[Recipient],
    invoices: Sequence[MailedInvoice],
    cause: str,
    cc: tuple[str, ...] = (),
) -> Mail:
    """Return the email with ``invoices``, to one or several recipients.

    ``cause`` is why they get it: ``rules.ROLE``, ``COPY`` or ``REQUESTED``.
    """
    groups = sorted({one.invoice.bill_group_id for one in invoices})
    alone = to[0] if len(to) == 1 else None
    return Mail(
        kind=INVOICE,
        entity_id=entity.entity_id,
        account_id=account.account_id,
        # An email about several bill groups belongs to none: access to one of them is not enough to see it.
        bill_group_id=groups[0] if len(groups) == 1 else None,
        bill_group_ids=tuple(groups),
        contact_id=(alone.contact_id or None) if alone else None,
        to=tuple(one.email for one in to),
        cc=cc,
        locale=(alone.locale if alone else None) or account.locale or entity.locale,
        lifetime=LIFETIME,
        context={
            "invoices": [
                {"invoice_id": one.invoice.invoice_id, "attached": one.attached, "others": list(one.others)}
                for one in invoices
            ],
            "bill_group_ids": groups,
            "contact_ids": [one.contact_id for one in to if one.contact_id],
            "cause": cause,
        },
    )
