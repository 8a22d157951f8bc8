"""Mail health: the outcomes of an entity's emails, by the UTC day on which they were sent.

The contribution of an email follows from its state alone. Every change of the state adds the difference to the counts
in the same transaction, so the counts are always the sum over all emails. They are spread over shards, so that many
emails can be counted at once.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime

from chalicelib.entities.service import get_cached_entity
from chalicelib.errors import InvalidInput, NotFound
from chalicelib.mail import reports
from chalicelib.mail.rules import MailState
from chalicelib.table import keys, store
from chalicelib.table.items import EmailItem, MailHealthItem

SHARDS = 16
MAX_DAYS = 92
_ROWS_PER_PAGE = 1000


@dataclass(frozen=True)
class MailCounts:
    """The counts of a day's emails. All except ``mails`` count recipients, as SES does.

    Each recipient counts once under each event, so one that was delivered and then complained about counts as both.
    ``bounced`` is permanent; ``bounced_for_now`` counts recipients without a delivery or a permanent bounce.
    """

    mails: int = 0
    sent: int = 0
    delivered: int = 0
    bounced: int = 0
    bounced_for_now: int = 0
    complained: int = 0
    rejected: int = 0


@dataclass(frozen=True)
class DailyMailCounts:
    """The counts of one UTC day."""

    day: date
    counts: MailCounts


_COUNT_NAMES = tuple(part.name for part in fields(MailCounts))


def contribution(state: MailState) -> Mapping[tuple[date, str], int]:
    """Return the contribution of an email, by day and count; none until it is known to be sent."""
    if state.sent_at is None:
        return {}
    found: Counter[str] = Counter(mails=1, sent=state.recipient_count)
    for recipient in state.recipients:
        kinds = recipient.kinds.keys()
        found["delivered"] += "delivery" in kinds
        found["bounced"] += reports.PERMANENT_BOUNCE in kinds
        found["complained"] += reports.COMPLAINT in kinds
        found["rejected"] += "reject" in kinds
        only_for_now = not kinds & {"delivery", reports.PERMANENT_BOUNCE}
        found["bounced_for_now"] += "transient_bounce" in kinds and only_for_now
    day = state.sent_at.date()
    return {(day, name): number for name, number in found.items() if number}


def count_changes(before: MailState, after: MailState) -> dict[date, dict[str, int]]:
    """Return the difference of the counts, by day, when an email's state changes."""
    found: dict[date, dict[str, int]] = {}
    old, new = contribution(before), contribution(after)
    for day, name in sorted({*old, *new}):
        change = new.get((day, name), 0) - old.get((day, name), 0)
        if change:
            found.setdefault(day, {})[name] = change
    return found


def add_counts(transaction: store.Transaction, item: EmailItem, counted: Mapping[date, Mapping[str, int]]) -> None:
    """Add the ``difference`` of a change of an email's state."""
    shard = sum(item.email_id.encode()) % SHARDS
    for day, amounts in counted.items():
        transaction.add(MailHealthItem, keys.mail_health(item.entity_id, day, shard), amounts)


def read_daily_counts(entity_id: str, first: date, last: date, now: datetime) -> list[DailyMailCounts]:
    """Return the counts of an entity's days from ``first`` to ``last``, without days without email.

    Raises InvalidInput for an unknown entity.
    """
    try:
        get_cached_entity(entity_id, now)
    except NotFound:
        raise InvalidInput.field(
            "entity_id", "unknown_entity", "There is no such issuing entity. Correct the id."
        ) from None
    begin, end = keys.mail_health_days(entity_id, first, last)
    found: dict[date, Counter[str]] = {}
    for item in store.iterate_items(begin.pk, span=(begin.sk, end.sk), page_size=_ROWS_PER_PAGE):
        counts = found.setdefault(keys.mail_health_day_of(item.key), Counter())
        counts.update({name: int(getattr(item, name)) for name in _COUNT_NAMES})
    days = [
        DailyMailCounts(day, MailCounts(**{name: counts[name] for name in _COUNT_NAMES}))
        for day, counts in sorted(found.items())
    ]
    return [one for one in days if one.counts != MailCounts()]


def sum_counts(days: Sequence[DailyMailCounts]) -> MailCounts:
    """Return the sum of the counts of some days."""
    return MailCounts(**{name: sum(getattr(one.counts, name) for one in days) for name in _COUNT_NAMES})
