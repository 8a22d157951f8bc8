"""Use cases of issuing entities."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from chalicelib.accounts.rules import merge
from chalicelib.accounts.service import accounts_of
from chalicelib.audit import rules as audit_rules
from chalicelib.audit import service as audit
from chalicelib.call import Call
from chalicelib.duties import service as duties
from chalicelib.entities.rules import Entity, check_entity
from chalicelib.errors import FieldError, Invalid, NotFound, StaleVersion
from chalicelib.shapes import build, plain_fields
from chalicelib.table import keys, store
from chalicelib.table.items import EntityItem

_MOVES_REMINDERS = ("reminder_mail", "live_from", "time_zone")
"""After a change of any of these it is decided anew when open invoices are looked at."""
_REMEMBERED = timedelta(seconds=30)
_remembered: dict[str, tuple[datetime, Entity]] = {}
_sole: dict[str, tuple[datetime, Entity | None]] = {}


@dataclass(frozen=True)
class Written:
    """The entity after a write, and whether the write made it."""

    entity: Entity
    created: bool
    changed: bool = True
    """False when everything was so already, and nothing was written."""


def put_entity(
    call: Call,
    entity_id: str,
    given: dict[str, Any],
    expected_version: int | None = None,
    *,
    may_create: bool = True,
) -> Written:
    """Create an issuing entity, where that may be, or change the fields that are given.

    Raises NotFound when there is none and it may not be created, Invalid when a field that is needed is missing, mail
    would go live unsafely (R9) or a pilot names an account that does not exist, StaleVersion when
    ``expected_version`` is not the newest. The accounts that a pilot did not name before are read in one batch.
    """

    def attempt() -> Written:
        (item,) = store.gather(call, keys.entity(entity_id))
        before = store.load(Entity, item) if item else None
        if before is None and not may_create:
            raise NotFound()
        if expected_version is not None and (before is None or before.version != expected_version):
            raise StaleVersion(before.version if before else 0)
        values = merge(plain_fields(before) if before else None, {}, given, from_billing=False).values
        after = build(Entity, {**values, "entity_id": entity_id})
        check_entity(after)
        if after == before:
            return Written(after, created=False, changed=False)
        _check_pilots(before, after)
        transaction = store.Transaction(call)
        row = store.row(EntityItem, keys.entity(entity_id), after, listed=keys.entity_listed(entity_id))
        transaction.put(row, new=before is None)
        action = "entity.changed" if before else "entity.created"
        changed = audit_rules.changes(before, after, without=frozenset({"version"}))
        audit.record(transaction, call, action, "entity", entity_id, changed, entity_id=entity_id)
        if before is not None and any(getattr(before, name) != getattr(after, name) for name in _MOVES_REMINDERS):
            duties.add(transaction, call, "replanning", f"entity {entity_id}")
        transaction.answers(entity_id, 200 if before else 201)
        transaction.commit()
        _remembered.pop(entity_id, None)
        return Written(replace(after, version=int(row.version)), created=before is None)

    return store.deciding_again(attempt)


def _check_pilots(before: Entity | None, after: Entity) -> None:
    """Raise Invalid where a pilot names what is no account: it would mail nobody, and nobody would notice.

    The accounts need not be of the entity: an account may owe several.
    """
    named = []
    for mail in ("invoice_mail", "reminder_mail"):
        known = getattr(before, mail).pilot_account_ids if before else ()
        ids = getattr(after, mail).pilot_account_ids
        named += [(f"{mail}.pilot_account_ids[{at}]", one) for at, one in enumerate(ids) if one not in known]
    found = {account.account_id for account in accounts_of([one for _, one in named])}
    faults = [
        FieldError(field, "unknown_account", "There is no such account. Create it first, or correct the id.")
        for field, one in named
        if one not in found
    ]
    if faults:
        raise Invalid("invalid_body", "A pilot names accounts that do not exist.", fields=tuple(faults))


def get_entity(entity_id: str) -> Entity:
    """Read an issuing entity. Raises NotFound."""
    item = store.get(EntityItem, keys.entity(entity_id))
    if item is None:
        raise NotFound()
    return store.load(Entity, item)


def remembered_entity(entity_id: str, now: datetime) -> Entity:
    """Return an issuing entity as it was at most 30 seconds ago. Raises NotFound.

    For decisions that a change of the entity need not overtake at once, so that they cost no read.
    """
    known = _remembered.get(entity_id)
    if known is None or not timedelta() <= now - known[0] < _REMEMBERED:
        known = (now, get_entity(entity_id))
        _remembered[entity_id] = known
    return known[1]


def remembered_sole_entity(now: datetime) -> Entity | None:
    """Return the issuing entity of a deployment that has one only, as it was at most 30 seconds ago; else None."""
    known = _sole.get("")
    if known is None or not timedelta() <= now - known[0] < _REMEMBERED:
        listed, _ = list_entities(None, 2)
        known = (now, listed[0] if len(listed) == 1 else None)
        _sole[""] = known
    return known[1]


def forget_entities() -> None:
    """Read every entity afresh when it is next asked for."""
    _remembered.clear()
    _sole.clear()


def list_entities(after: str | None, limit: int) -> tuple[list[Entity], str | None]:
    """Return a page of the issuing entities in order of their ids, and where the next one begins."""
    page = store.query_index(keys.entity_listed("").pk, limit=limit, after=after)
    return [store.load(Entity, item) for item in page.items], page.after
