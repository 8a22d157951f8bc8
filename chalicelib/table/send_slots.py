"""Send slots: consecutive time slots, reserved by any number of consumers with one conditional update (I7)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pynamodb.exceptions import UpdateError

from chalicelib.table import store
from chalicelib.table.items import SendingPaceItem
from chalicelib.table.keys import Key
from chalicelib.table.store.failures import dynamodb_error_code, translate_table_errors

_MAX_PLAUSIBLE_LEAD = timedelta(minutes=5)
"""A next slot that far ahead comes from a wrong clock and is ignored."""


@dataclass(frozen=True)
class SendSlots:
    """The start of the first reserved slot (UTC), and the number of slots ever reserved, including these."""

    begin: datetime
    given: int


def reserve_slots(key: Key, now: datetime, length: timedelta, count: int, patience: timedelta) -> SendSlots | datetime:
    """Reserve ``count`` slots of the given length, the first of which starts within ``patience`` from ``now``.

    Returns them, or, if none starts so early, the start of the next one, without a reservation. One write without a
    backlog, two with one. No slot is reserved twice; a lost response may waste some.
    """
    moment, whole = _to_milliseconds(now), max(1, -(-length * count // timedelta(milliseconds=1)))
    item = SendingPaceItem(key.pk, key.sk)
    next_at = SendingPaceItem.next_at
    latest = moment + patience // timedelta(milliseconds=1)
    named = [SendingPaceItem.cls.set(SendingPaceItem), SendingPaceItem.given.add(count)]
    standing_in_line = next_at.between(moment, latest)
    nobody_there = next_at.does_not_exist() | (next_at < moment)
    nobody_there |= next_at > moment + _MAX_PLAUSIBLE_LEAD // timedelta(milliseconds=1)
    for set_next, condition in (
        (next_at.set(moment + whole), nobody_there),
        (next_at.set(next_at + whole), standing_in_line),
    ):
        with translate_table_errors():
            try:
                item.update([*named, set_next], condition)
            except UpdateError as error:
                if dynamodb_error_code(error) != "ConditionalCheckFailedException":
                    raise
                continue
        return SendSlots(_from_milliseconds(int(item.next_at) - whole), int(item.given))
    stored = store.get_item(SendingPaceItem, key)
    return _from_milliseconds(int(stored.next_at)) if stored and stored.next_at else now + patience


def _to_milliseconds(moment: datetime) -> int:
    return int((moment - datetime.fromtimestamp(0, UTC)) / timedelta(milliseconds=1))


def _from_milliseconds(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=milliseconds)
