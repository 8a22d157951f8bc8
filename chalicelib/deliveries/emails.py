"""The mail that brings invoices. What it says of them is looked up when it is sent (``mailing``)."""

from collections.abc import Sequence
from datetime import timedelta

from chalicelib.accounts.rules import Account
from chalicelib.contacts.rules import Recipient
from chalicelib.entities.rules import Entity
from chalicelib.invoices.rules import Invoice
from chalicelib.mail.outbox import Mail

INVOICE = "invoice"
LIFETIME = timedelta(days=7)


def invoice_mail(
    entity: Entity,
    account: Account,
    to: Sequence[Recipient],
    invoices: Sequence[tuple[Invoice, bool]],
    cause: str,
    cc: tuple[str, ...] = (),
) -> Mail:
    """Return the mail that brings ``invoices``, each with whether its PDF is attached, to one contact or several.

    ``cause`` is why they get it: ``rules.ROLE``, ``COPY`` or ``ASKED``.
    """
    groups = sorted({one.bill_group_id for one, _ in invoices})
    alone = to[0] if len(to) == 1 else None
    return Mail(
        kind=INVOICE,
        entity_id=entity.entity_id,
        account_id=account.account_id,
        # A mail about several bill groups belongs to none: who may see but one of them may not see it.
        bill_group_id=groups[0] if len(groups) == 1 else None,
        bill_group_ids=tuple(groups),
        contact_id=alone.contact_id if alone else None,
        to=tuple(one.email for one in to),
        cc=cc,
        locale=(alone.locale if alone else None) or account.locale or entity.locale,
        lifetime=LIFETIME,
        context={
            "invoices": [{"invoice_id": one.invoice_id, "attached": attached} for one, attached in invoices],
            "bill_group_ids": groups,
            "contact_ids": [one.contact_id for one in to],
            "cause": cause,
        },
    )
