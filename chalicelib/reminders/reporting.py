"""Up to when the billing system has reported payments, so that nobody is reminded of what is paid (R2)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.audit import service as audit
from chalicelib.audit.rules import Change, plain
from chalicelib.call import Call
from chalicelib.errors import Invalid, NotFound
from chalicelib.table import keys, store
from chalicelib.table.items import PaymentsAsOfItem

_CLOCKS_DIFFER = timedelta(minutes=5)


@dataclass(frozen=True)
class PaymentsAsOf:
    """Up to when (UTC) payments of an entity are known; None when the billing system does not report it."""

    entity_id: str
    as_of: datetime | None


def get_payments_as_of(entity_id: str) -> PaymentsAsOf:
    """Read up to when an entity's payments are known. Raises NotFound without the entity."""
    found = store.batch([keys.entity(entity_id), keys.payments_as_of(entity_id)])
    if keys.entity(entity_id) not in found:
        raise NotFound
    row = found.get(keys.payments_as_of(entity_id))
    return PaymentsAsOf(entity_id, row.as_of if row is not None else None)


def put_payments_as_of(call: Call, entity_id: str, as_of: datetime | None) -> PaymentsAsOf:
    """Note up to when an entity's payments are known; None: it is not reported any more, and holds nothing up.

    An earlier instant than is known changes nothing: reports may overtake each other. Raises NotFound, Invalid for an
    instant that is yet to come.
    """
    if as_of is not None and as_of > call.now + _CLOCKS_DIFFER:
        raise Invalid.field("as_of", "too_late", "This instant is yet to come. Send up to when payments are known.")

    def attempt() -> PaymentsAsOf:
        key = keys.payments_as_of(entity_id)
        entity, row = store.gather(call, keys.entity(entity_id), key)
        if entity is None:
            raise NotFound
        before = row.as_of if row is not None else None
        if before == as_of or (before is not None and as_of is not None and as_of < before):
            return PaymentsAsOf(entity_id, before)
        transaction = store.Transaction(call)
        transaction.check_exists(entity)
        if as_of is None:
            transaction.delete(row)
        else:
            after = row or PaymentsAsOfItem(key.pk, key.sk, entity_id=entity_id)
            after.as_of = as_of
            transaction.put(after, new=row is None)
        changes = (Change("payments_as_of", plain(before), plain(as_of)),)
        audit.record(transaction, call, "payments.reported", "entity", entity_id, changes, entity_id=entity_id)
        transaction.answers(entity_id, 200)
        transaction.commit()
        return PaymentsAsOf(entity_id, as_of)

    return store.deciding_again(attempt)
