"""Which tasks there are: a class each, and one table of their kinds.

The row of a task and its queue message hold what it is about as one text, its *subject*. ``encode`` and ``decode`` of
its class are the only places that spell or read that text; rows and messages outlive a deployment, so it never changes.
"""

from collections.abc import Callable
from dataclasses import astuple, dataclass, fields
from typing import ClassVar, Self

from chalicelib.table.keys import REMINDER_SHARDS


@dataclass(frozen=True)
class Task:
    """What a task is about. Its subject is its fields in order, unless its class says otherwise."""

    _prefix: ClassVar[str] = ""
    """Tells a subject from that of another task of the same kind."""
    _separator: ClassVar[str] = " "

    def encode(self) -> str:
        """Return the subject."""
        return self._prefix + self._separator.join(astuple(self))

    @classmethod
    def decode(cls, subject: str) -> Self | None:
        """Return the task that ``subject`` stands for; None when it is not the subject of such a task."""
        build: Callable[..., Self] = cls
        count, text = len(fields(cls)), subject.removeprefix(cls._prefix)
        values = text.split(cls._separator) if count > 1 else [text]
        fits = subject.startswith(cls._prefix) and len(values) == count and all(values)
        return build(*values) if fits else None


@dataclass(frozen=True)
class SendEmail(Task):
    """Send an email of the outbox."""

    email_id: str


class SendUrgentEmail(SendEmail):
    """Send an email for which somebody waits: a sign-in."""


class SendPasswordEmail(SendEmail):
    """Send an email about a password. Anybody can ask for many of these, which must not delay sign-ins (A13)."""


class SendBulkEmail(SendEmail):
    """Send any other email."""


@dataclass(frozen=True)
class RunImport(Task):
    """Start an import, or resume one that ran out of time."""

    import_id: str


@dataclass(frozen=True)
class RunErasure(Task):
    """Erase what is known of a contact (C4)."""

    erasure_id: str


@dataclass(frozen=True)
class CreateInvoicePdf(Task):
    """Create the PDF of an invoice, once (I2)."""

    invoice_id: str


@dataclass(frozen=True)
class CreateStatementPdf(Task):
    """Create the PDF of a statement of account. Our vendors' ids have no slash, so it is never taken for an invoice."""

    _prefix = "statement/"
    statement_id: str


@dataclass(frozen=True)
class DeliverInvoice(Task):
    """Mail an invoice to the invoicing contacts (I3)."""

    invoice_id: str


@dataclass(frozen=True)
class SendBundle(Task):
    """Send the invoices that a contact gets together (C7)."""

    _separator = "/"
    account_id: str
    entity_id: str
    contact_id: str


@dataclass(frozen=True)
class CheckRoleCoverage(Task):
    """Check whether roles still reach somebody after an address has failed, or works again (C9)."""

    email: str


@dataclass(frozen=True)
class PlanInvoices(Task):
    """Decide when reminders of some invoices are due next (R7)."""

    invoice_ids: tuple[str, ...]

    def encode(self) -> str:
        """Return the subject: the ids."""
        return " ".join(self.invoice_ids)

    @classmethod
    def decode(cls, subject: str) -> Self | None:
        """Return the task that ``subject`` stands for; None when it names no invoice."""
        invoice_ids = tuple(subject.split())
        return cls(invoice_ids) if invoice_ids else None


@dataclass(frozen=True)
class RecordWithheldReminders(Task):
    """Record that one contact's copy of a digest was not sent for some of its invoices (R5)."""

    email_id: str
    invoice_ids: tuple[str, ...]

    def encode(self) -> str:
        """Return the subject: the ids. Our vendors' ids have no slash, so it is never taken for those of invoices."""
        return " ".join([f"withheld/{self.email_id}", *self.invoice_ids])

    @classmethod
    def decode(cls, subject: str) -> Self | None:
        """Return the task that ``subject`` stands for; None when it is not the subject of such a task."""
        head, _, rest = subject.partition(" ")
        prefix, _, email_id = head.partition("/")
        invoice_ids = tuple(rest.split())
        return cls(email_id, invoice_ids) if prefix == "withheld" and email_id and invoice_ids else None


@dataclass(frozen=True)
class ReplanInvoices(Task):
    """Have all invoices of an ``entity``, ``account`` or ``bill_group`` planned again, page by page (R8)."""

    level: str
    owner_id: str
    after: str | None = None
    """Where the next page begins."""

    def encode(self) -> str:
        """Return the subject: level, owner, and the place where the next page begins, if it is not the first."""
        owner = f"{self.level} {self.owner_id}"
        return owner if self.after is None else f"{owner} {self.after}"

    @classmethod
    def decode(cls, subject: str) -> Self | None:
        """Return the task that ``subject`` stands for; None when it names no owner."""
        level, owner_id, after = (*subject.split(" ", 2), "", "")[:3]
        return cls(level, owner_id, after or None) if owner_id else None


@dataclass(frozen=True)
class ReleaseOldInvoices(Task):
    """Release some accounts of an entity whose invoices are older than its start (R9)."""

    _prefix = "release "
    entity_id: str


@dataclass(frozen=True)
class RemindAccount(Task):
    """Send the reminders of an account that are due to an issuing entity."""

    account_id: str
    entity_id: str


@dataclass(frozen=True)
class TaskKind:
    """How the tasks of one or more classes are stored and sent.

    ``shards`` is the number of partitions that hold the rows, ``queue`` one of ``config.QUEUES``.
    """

    name: str
    task_classes: tuple[type[Task], ...]
    """A subject is of the first class that can decode it."""
    shards: int
    queue: str
    swept: bool = True
    """Whether the sweeper sends overdue ones again. The hourly run does it for reminders."""


TASK_KINDS = {
    kind.name: kind
    for kind in (
        TaskKind("urgent_mail", (SendUrgentEmail,), shards=2, queue="urgent_mail"),
        TaskKind("password_mail", (SendPasswordEmail,), shards=2, queue="password_mail"),
        TaskKind("bulk_mail", (SendBulkEmail,), shards=4, queue="bulk_mail"),
        TaskKind("import", (RunImport,), shards=1, queue="imports"),
        TaskKind("erase", (RunErasure,), shards=1, queue="erasures"),
        TaskKind("document", (CreateStatementPdf, CreateInvoicePdf), shards=2, queue="documents"),
        TaskKind("delivery", (SendBundle, DeliverInvoice), shards=2, queue="deliveries"),
        TaskKind("coverage", (CheckRoleCoverage,), shards=1, queue="coverage"),
        TaskKind("planning", (RecordWithheldReminders, PlanInvoices), shards=4, queue="planning"),
        TaskKind("replanning", (ReleaseOldInvoices, ReplanInvoices), shards=1, queue="planning"),
        TaskKind("reminder", (RemindAccount,), shards=REMINDER_SHARDS, queue="reminders", swept=False),
    )
}
"""By name, in the order in which the sweeper takes turns."""

_KIND_OF_CLASS = {task_class: kind for kind in TASK_KINDS.values() for task_class in kind.task_classes}


def kind_of_task(task: Task) -> TaskKind:
    """Return the kind of ``task``."""
    return _KIND_OF_CLASS[type(task)]


def decode_task(kind: str, subject: str) -> Task:
    """Return the task that a row or message of ``kind`` is about. Raises ValueError when it is none of ours."""
    for task_class in TASK_KINDS[kind].task_classes if kind in TASK_KINDS else ():
        task = task_class.decode(subject)
        if task is not None:
            return task
    raise ValueError(f"{subject!r} is not the subject of a task of the kind {kind!r}.")
