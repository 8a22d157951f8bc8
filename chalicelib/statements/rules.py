"""What an account owes, by age, computed from its open items. Amounts are integers of minor units."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from chalicelib.entities.rules import LIVE, Entity
from chalicelib.errors import Conflict, LimitReached

MAX_PDF_ITEMS = 2000
MAX_RECIPIENTS = 10
PORTAL_USER_REQUEST_LIMIT = 20
"""Statements that the portal users of an account may request within REQUEST_LIMIT_WINDOW."""
REQUEST_LIMIT_WINDOW = timedelta(hours=1)

BUCKETS = ("current", "days_1_30", "days_31_60", "days_61_90", "days_over_90")
"""Ageing buckets. What is due today, or has no due date, is current."""
_BUCKET_LAST_DAYS = (0, 30, 60, 90)


@dataclass(frozen=True)
class OpenItem:
    """An open item: an invoice with a balance, or a credit note with a remainder, which is owed to the account."""

    invoice_id: str
    kind: str
    number: str
    entity_id: str
    bill_group_id: str
    currency: str
    issue_date: date
    total: int
    balance: int
    due_date: date | None = None
    po_number: str | None = None
    disputed: bool = False


@dataclass(frozen=True)
class OpenPayment:
    """A payment with an unallocated part."""

    payment_id: str
    entity_id: str
    currency: str
    received_on: date
    amount: int
    unallocated: int
    reference: str | None = None


@dataclass(frozen=True)
class Ageing:
    """What is owed on invoices, by age."""

    current: int = 0
    days_1_30: int = 0
    days_31_60: int = 0
    days_61_90: int = 0
    days_over_90: int = 0

    @property
    def total(self) -> int:
        """Return the sum."""
        return sum(getattr(self, bucket) for bucket in BUCKETS)


@dataclass(frozen=True)
class StatementSection:
    """A statement of one issuing entity and currency, as of a day. Nothing is summed across currencies.

    ``open_items`` are in order of their due dates, those without one last.
    """

    entity_id: str
    currency: str
    ageing: Ageing
    open_items: tuple[OpenItem, ...] = ()
    open_payments: tuple[OpenPayment, ...] = field(default=())

    @property
    def owed(self) -> int:
        """Return the open amount of invoices."""
        return self.ageing.total

    @property
    def overdue(self) -> int:
        """Return the overdue part of the balance, never more than it.

        Credit counts on the earliest due first, as in reminders (R2), so on what is overdue before what is not.
        """
        return max(0, self.ageing.total - self.ageing.current - self.credit - self.unallocated)

    @property
    def credit(self) -> int:
        """Return the remainder of credit notes."""
        return sum(item.balance for item in self.open_items if item.kind == "credit_note")

    @property
    def unallocated(self) -> int:
        """Return the unallocated part of payments."""
        return sum(payment.unallocated for payment in self.open_payments)

    @property
    def balance(self) -> int:
        """Return the total to pay; below zero, it is owed to the account."""
        return self.owed - self.credit - self.unallocated


def days_past_due(due: date | None, as_of: date) -> int:
    """Return the days overdue on ``as_of``; 0 until the due date has passed."""
    return max((as_of - due).days, 0) if due else 0


def ageing_bucket(due: date | None, as_of: date) -> str:
    """Return the ageing bucket of something due on ``due``, on the day ``as_of``."""
    late = days_past_due(due, as_of)
    return BUCKETS[sum(late > last for last in _BUCKET_LAST_DAYS)]


def compute_ageing(items: Iterable[OpenItem], as_of: date) -> Ageing:
    """Return what is owed on invoices by age; credit notes do not count."""
    sums = dict.fromkeys(BUCKETS, 0)
    for item in items:
        if item.kind == "invoice":
            sums[ageing_bucket(item.due_date, as_of)] += item.balance
    return Ageing(**sums)


def build_sections(
    items: Sequence[OpenItem], payments: Sequence[OpenPayment], as_of: date
) -> tuple[StatementSection, ...]:
    """Return the statements of all issuing entities and currencies with open items, in order."""
    places = {(item.entity_id, item.currency) for item in items}
    places |= {(payment.entity_id, payment.currency) for payment in payments}
    found = []
    for entity_id, currency in sorted(places):
        own = sorted(
            (item for item in items if (item.entity_id, item.currency) == (entity_id, currency)),
            key=lambda item: (item.due_date or date.max, item.issue_date, item.invoice_id),
        )
        paid = sorted(
            (one for one in payments if (one.entity_id, one.currency) == (entity_id, currency)),
            key=lambda one: (one.received_on, one.payment_id),
        )
        found.append(StatementSection(entity_id, currency, compute_ageing(own, as_of), tuple(own), tuple(paid)))
    return tuple(found)


def check_length(section: StatementSection) -> None:
    """Raise Conflict when a PDF cannot list all open items."""
    length = len(section.open_items) + len(section.open_payments)
    if length > MAX_PDF_ITEMS:
        raise Conflict(
            "statement_too_long",
            f"{length} items are open, and a statement lists at most {MAX_PDF_ITEMS}. Read the figures from "
            "GET /v1/accounts/{account_id}/statement instead.",
        )


def check_mail_is_live(entity: Entity, account_id: str) -> None:
    """Raise Conflict when the entity's invoice mail, to which statements belong, is not live for the account (R9)."""
    if entity.invoice_mail.mode_for_account(account_id) != LIVE:
        mode = entity.invoice_mail.mode
        raise Conflict(
            "invoice_mail_not_live",
            f"Invoice email of {entity.name} is {mode}, so this account gets none. Leave send_to out, set invoice_mail "
            "of the issuing entity to live, or name the account in its pilot.",
            details={"mode": mode},
        )


def check_request_limit(instants: Sequence[datetime], now: datetime) -> None:
    """Raise LimitReached when portal users of an account have requested too many statements lately."""
    recent = sorted(instant for instant in instants if now - instant < REQUEST_LIMIT_WINDOW)
    if len(recent) >= PORTAL_USER_REQUEST_LIMIT:
        wait = recent[-PORTAL_USER_REQUEST_LIMIT] + REQUEST_LIMIT_WINDOW - now
        raise LimitReached(
            "too_many_statements",
            f"You can request {PORTAL_USER_REQUEST_LIMIT} statements an hour from the portal. Try again later.",
            retry_after=max(1, int(wait.total_seconds())),
        )
