"""Late-bound mails: whether such a mail may be sent, and what is in it, is decided when it is claimed (I4).

The capability of such a mail has a ``PrepareMail`` for the mail's kind; ``functions/mail.py`` names them, and hands
``deliver.deliver_email`` their loaders. It is called at each claim, reads what it needs, and returns what the mail says
and what the claim's own transaction must write, such as the hashes of new secrets. Nothing of
``PreparedMail.context`` is stored.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib.request_context import RequestContext
from chalicelib.table import store


def _write_nothing(transaction: store.Transaction) -> None:
    """Write nothing."""


@dataclass(frozen=True)
class ClaimedMail:
    """The claimed email, as far as its preparation may know it."""

    email_id: str
    kind: str
    to: tuple[str, ...]
    entity_id: str
    account_id: str | None
    locale: str
    context: Mapping[str, Any]
    cc: tuple[str, ...] = ()
    bill_group_id: str | None = None
    contact_id: str | None = None
    resent: bool = False
    """Whether it is a resend; ``to`` are the remaining recipients."""
    perhaps_sent: bool = False
    """Whether an earlier attempt was made of which it is not known whether SES accepted the email."""


@dataclass(frozen=True)
class Attachment:
    """A file attached to an email. ``name`` is the one that its reader sees, with its extension."""

    name: str
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class PreparedMail:
    """The email is sent. ``write`` adds writes to the claim's transaction.

    ``context`` is added to the email's own for its templates, and never stored; nor are ``attachments``, of which the
    history has names and sizes. ``headers`` are added to the email's own (``List-Unsubscribe`` and the like). A field
    that is None stays as in the outbox; ``template`` replaces the templates of the email's kind. ``secrets`` are in the
    email and removed from the history. ``write_unsent`` takes the place of ``write`` when it turns out that the email
    cannot be sent to anybody.
    """

    context: Mapping[str, Any] = field(default_factory=dict)
    write: Callable[[store.Transaction], None] = _write_nothing
    template: str | None = None
    entity_id: str | None = None
    locale: str | None = None
    to: tuple[str, ...] | None = None
    cc: tuple[str, ...] | None = None
    attachments: tuple[Attachment, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    contact_id: str | None = None
    write_unsent: Callable[[store.Transaction], None] = _write_nothing


@dataclass(frozen=True)
class WithheldMail:
    """The email is not sent, for ``reason``, which is recorded on the email and shown to nobody outside.

    ``write`` adds writes to the transaction that records it.
    """

    reason: str
    write: Callable[[store.Transaction], None] = _write_nothing


PrepareMail = Callable[[ClaimedMail, RequestContext], PreparedMail | WithheldMail]
LoadPreparer = Callable[[], PrepareMail]
"""Imports the capability that prepares a kind of mail."""
