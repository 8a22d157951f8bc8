"""The email with a statement of account. Its content is resolved when it is sent (``mail_content``)."""

from datetime import timedelta

from chalicelib.contacts.rules import Contact
from chalicelib.mail.outbox import Mail
from chalicelib.statements.content import StatementContent

STATEMENT = "statement"
LIFETIME = timedelta(days=7)


def statement_mail(content: StatementContent, contact: Contact) -> Mail:
    """Return the email with a statement to a contact, in the contact's own language."""
    groups = content.bill_group_ids
    return Mail(
        kind=STATEMENT,
        entity_id=content.seller.entity_id,
        account_id=content.account_id,
        bill_group_id=groups[0] if len(groups) == 1 else None,
        bill_group_ids=groups,
        contact_id=contact.contact_id,
        to=(contact.email,),
        locale=contact.locale or content.locale,
        lifetime=LIFETIME,
        context={"statement_id": content.statement_id},
    )
