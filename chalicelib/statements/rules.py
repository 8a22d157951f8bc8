"""What an account owes, by age: open items in, figures out. Amounts are integers of minor units."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

BUCKETS = ("current", "days_1_30", "days_31_60", "days_61_90", "days_over_90")
"""How long what is owed is overdue. What is due today, or has no due date, is current."""
_LAST_DAYS = (0, 30, 60, 90)


@dataclass(frozen=True)
class OpenItem:
    """An invoice of which something is open, or a credit note of which something is left; of the latter, it is owed
    to the account.
    """

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
    """A payment of which something is not allocated to invoices."""

    payment_id: str
    entity_id: str
    currency: str
    received_on: date
    amount: int
    unallocated: int
    reference: str | None = None


@dataclass(frozen=True)
class Ageing:
    """What is owed on invoices, by how long it is overdue."""

    current: int = 0
    days_1_30: int = 0
    days_31_60: int = 0
    days_61_90: int = 0
    days_over_90: int = 0

    @property
    def total(self) -> int:
        """Return all of it."""
        return sum(getattr(self, bucket) for bucket in BUCKETS)


@dataclass(frozen=True)
class Section:
    """A statement of one issuing entity and currency, as of a day. Nothing is added up over currencies.

    ``open_items`` are in order of their due dates, those without one last.
    """

    entity_id: str
    currency: str
    ageing: Ageing
    open_items: tuple[OpenItem, ...] = ()
    open_payments: tuple[OpenPayment, ...] = field(default=())

    @property
    def owed(self) -> int:
        """Return what is open on invoices."""
        return self.ageing.total

    @property
    def overdue(self) -> int:
        """Return what of it is overdue."""
        return self.ageing.total - self.ageing.current

    @property
    def credit(self) -> int:
        """Return what is left of credit notes."""
        return sum(item.balance for item in self.open_items if item.kind == "credit_note")

    @property
    def unallocated(self) -> int:
        """Return what payments have paid beyond what they were allocated."""
        return sum(payment.unallocated for payment in self.open_payments)

    @property
    def balance(self) -> int:
        """Return what is to be paid in the end; below zero, it is owed to the account."""
        return self.owed - self.credit - self.unallocated


def days_overdue(due: date | None, as_of: date) -> int:
    """Return for how many days something is overdue on the day ``as_of``; 0 while it is not."""
    return max((as_of - due).days, 0) if due else 0


def bucket_of(due: date | None, as_of: date) -> str:
    """Return the name of the bucket in which something due on ``due`` stands on the day ``as_of``."""
    late = days_overdue(due, as_of)
    return BUCKETS[sum(late > last for last in _LAST_DAYS)]


def age(items: Iterable[OpenItem], as_of: date) -> Ageing:
    """Return what is owed on invoices by age; credit notes do not count."""
    sums = dict.fromkeys(BUCKETS, 0)
    for item in items:
        if item.kind == "invoice":
            sums[bucket_of(item.due_date, as_of)] += item.balance
    return Ageing(**sums)


def sections(items: Sequence[OpenItem], payments: Sequence[OpenPayment], as_of: date) -> tuple[Section, ...]:
    """Return the statements of all issuing entities and currencies in which something is open, in order."""
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
        found.append(Section(entity_id, currency, age(own, as_of), tuple(own), tuple(paid)))
    return tuple(found)
