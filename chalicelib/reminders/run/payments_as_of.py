"""Up to when the billing system has reported payments, so that nobody is reminded of what is paid (R2)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.audit.rules import FieldChange
from chalicelib.audit.service import record_audit_event
from chalicelib.errors import InvalidInput, NotFound
from chalicelib.json_values import to_json_value
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import PaymentsAsOfItem

_CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True)
class PaymentsAsOf:
    """Up to when (UTC) payments of an entity are known; None when the billing system does not report it."""

    entity_id: str
    as_of: datetime | None


def read_payments_as_of(entity_id: str) -> PaymentsAsOf:
    """Read up to when an entity's payments are known. Raises NotFound without the entity."""
    found = store.batch_get_items([keys.entity(entity_id), keys.payments_as_of(entity_id)])
    if keys.entity(entity_id) not in found:
        raise NotFound
    row = found.get(keys.payments_as_of(entity_id))
    return PaymentsAsOf(entity_id, row.as_of if row is not None else None)


def report_payments_as_of(context: RequestContext, entity_id: str, as_of: datetime | None) -> PaymentsAsOf:
    """Record up to when an entity's payments are known; None: it is not reported any more, and blocks nothing.

    An earlier instant than is known changes nothing: reports may overtake each other. Raises NotFound, InvalidInput for
    an instant that is yet to come.
    """
    if as_of is not None and as_of > context.now + _CLOCK_SKEW:
        raise InvalidInput.field(
            "as_of", "too_late", "This is in the future. Send the instant up to which payments are recorded."
        )

    def attempt() -> PaymentsAsOf:
        key = keys.payments_as_of(entity_id)
        entity, row = store.get_items_for_write(context, keys.entity(entity_id), key)
        if entity is None:
            raise NotFound
        before = row.as_of if row is not None else None
        if before == as_of or (before is not None and as_of is not None and as_of < before):
            return PaymentsAsOf(entity_id, before)
        transaction = store.Transaction(context)
        transaction.check_exists(entity)
        if as_of is None:
            transaction.delete(row)
        else:
            after = row or PaymentsAsOfItem(key.pk, key.sk, entity_id=entity_id)
            after.as_of = as_of
            transaction.put(after, new=row is None)
        changes = (FieldChange("payments_as_of", to_json_value(before), to_json_value(as_of)),)
        record_audit_event(transaction, context, "payments.reported", "entity", entity_id, changes, entity_id=entity_id)
        transaction.record_response(entity_id, 200)
        transaction.commit()
        return PaymentsAsOf(entity_id, as_of)

    return store.retry_on_conflict(attempt)
