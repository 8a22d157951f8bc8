"""Use cases of issuing entities."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from chalicelib.accounts.service import get_accounts
from chalicelib.audit.rules import diff_fields
from chalicelib.audit.service import record_audit_event
from chalicelib.entities.rules import Entity, check_entity
from chalicelib.errors import FieldError, InvalidInput, NotFound, StaleVersion
from chalicelib.field_marks import FieldUse, is_any_changed
from chalicelib.field_ownership import merge_fields
from chalicelib.request_context import RequestContext
from chalicelib.serialization import build_dataclass, to_plain_fields
from chalicelib.table import keys, store
from chalicelib.table.items import EntityItem
from chalicelib.tasks.kinds import ReplanInvoices
from chalicelib.tasks.service import add_task
from chalicelib.tax_numbers import find_number_of_kind_fault, find_tax_number_fault, is_vat_kind

_CACHE_LIFETIME = timedelta(seconds=30)
_entity_cache: dict[str, tuple[datetime, Entity]] = {}
_sole_entity_cache: dict[str, tuple[datetime, Entity | None]] = {}


@dataclass(frozen=True)
class EntityWriteResult:
    """The entity after a write, and whether the write made it."""

    entity: Entity
    created: bool
    changed: bool = True
    """False when everything was so already, and nothing was written."""


def put_entity(
    context: RequestContext,
    entity_id: str,
    given: dict[str, Any],
    expected_version: int | None = None,
    *,
    may_create: bool = True,
) -> EntityWriteResult:
    """Create an issuing entity, if allowed, or change the given fields.

    Raises NotFound when it does not exist and must not be created, InvalidInput when a required field is missing, mail
    would go live unsafely (R9) or a pilot names an unknown account, StaleVersion when ``expected_version`` is not the
    newest. The accounts that are new in a pilot are read in one batch.
    """

    def attempt() -> EntityWriteResult:
        (item,) = store.get_items_for_write(context, keys.entity(entity_id))
        before = store.from_item(Entity, item) if item else None
        if before is None and not may_create:
            raise NotFound()
        if expected_version is not None and (before is None or before.version != expected_version):
            raise StaleVersion(before.version if before else 0)
        values = merge_fields(to_plain_fields(before) if before else None, {}, given, from_billing=False).values
        after = build_dataclass(Entity, {**values, "entity_id": entity_id})
        check_entity(after)
        if after == before:
            return EntityWriteResult(after, created=False, changed=False)
        _check_tax_numbers(before, after)
        _check_pilot_accounts(before, after)
        transaction = store.Transaction(context)
        row = store.to_item(EntityItem, keys.entity(entity_id), after, listed=keys.entity_listed(entity_id))
        transaction.put(row, new=before is None)
        action = "entity.changed" if before else "entity.created"
        changed = diff_fields(before, after)
        record_audit_event(transaction, context, action, "entity", entity_id, changed, entity_id=entity_id)
        if before is not None and is_any_changed(before, after, FieldUse.MOVES_REMINDERS):
            add_task(transaction, context, ReplanInvoices("entity", entity_id))
        transaction.record_response(entity_id, 200 if before else 201)
        transaction.commit()
        _entity_cache.pop(entity_id, None)
        return EntityWriteResult(replace(after, version=int(row.version)), created=before is None)

    return store.retry_on_conflict(attempt)


def _check_tax_numbers(before: Entity | None, after: Entity) -> None:
    """Raise InvalidInput that names each new tax number that is not valid in its country."""
    country = after.address.country if after.address else None
    faults = []
    for at, one in enumerate(after.tax_numbers):
        if before is not None and one in before.tax_numbers:
            continue
        if is_vat_kind(one.kind):
            fault = find_tax_number_fault(one.number, country)
        else:
            fault = find_number_of_kind_fault(one.kind, one.number, country)
        if fault is not None:
            faults.append(FieldError(f"tax_numbers.{at}.number", "bad_tax_number", fault))
    if faults:
        raise InvalidInput("invalid_body", "A tax number is not valid in its country.", fields=tuple(faults))


def _check_pilot_accounts(before: Entity | None, after: Entity) -> None:
    """Raise InvalidInput when a pilot names an unknown account, which would silently get no mail.

    The accounts need not belong to the entity: an account may owe several.
    """
    named = []
    for mail in ("invoice_mail", "reminder_mail"):
        known = getattr(before, mail).pilot_account_ids if before else ()
        ids = getattr(after, mail).pilot_account_ids
        named += [(f"{mail}.pilot_account_ids[{at}]", one) for at, one in enumerate(ids) if one not in known]
    found = {account.account_id for account in get_accounts([one for _, one in named])}
    faults = [
        FieldError(field, "unknown_account", "There is no such account. Create it first, or correct the id.")
        for field, one in named
        if one not in found
    ]
    if faults:
        raise InvalidInput("invalid_body", "A pilot names accounts that do not exist.", fields=tuple(faults))


def get_entity(entity_id: str) -> Entity:
    """Read an issuing entity. Raises NotFound."""
    item = store.get_item(EntityItem, keys.entity(entity_id))
    if item is None:
        raise NotFound()
    return store.from_item(Entity, item)


def get_cached_entity(entity_id: str, now: datetime) -> Entity:
    """Return an issuing entity as it was at most 30 seconds ago. Raises NotFound.

    For decisions that a change of the entity need not overtake at once, so that they cost no read.
    """
    known = _entity_cache.get(entity_id)
    if known is None or not timedelta() <= now - known[0] < _CACHE_LIFETIME:
        known = (now, get_entity(entity_id))
        _entity_cache[entity_id] = known
    return known[1]


def get_cached_sole_entity(now: datetime) -> Entity | None:
    """Return the issuing entity of a deployment that has one only, as it was at most 30 seconds ago; else None."""
    known = _sole_entity_cache.get("")
    if known is None or not timedelta() <= now - known[0] < _CACHE_LIFETIME:
        listed, _ = list_entities(None, 2)
        known = (now, listed[0] if len(listed) == 1 else None)
        _sole_entity_cache[""] = known
    return known[1]


def clear_entity_cache() -> None:
    """Drop the cache of entities."""
    _entity_cache.clear()
    _sole_entity_cache.clear()


def list_entities(after: str | None, limit: int) -> tuple[list[Entity], str | None]:
    """Return a page of the issuing entities in order of their ids, and where the next one begins."""
    page = store.query_items_by_index(keys.entity_listed("").pk, limit=limit, after=after)
    return [store.from_item(Entity, item) for item in page.items], page.after
