"""Reminder policies of issuing entities, and what accounts and bill groups have otherwise (R1)."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from chalicelib.audit.rules import FieldChange
from chalicelib.audit.service import record_audit_event
from chalicelib.errors import InvalidInput, NotFound, StaleVersion
from chalicelib.json_values import to_json_value
from chalicelib.reminders.policy import templates
from chalicelib.reminders.policy.rules import ReminderPolicy, check_reminder_policy
from chalicelib.request_context import RequestContext
from chalicelib.serialization import build_dataclass, to_plain_fields
from chalicelib.table import keys, store
from chalicelib.table.items import ReminderPolicyItem
from chalicelib.table.keys import Key
from chalicelib.tasks.kinds import ReplanInvoices
from chalicelib.tasks.service import add_task

ENTITY, ACCOUNT, BILL_GROUP = "entity", "account", "bill_group"

_OWNER_KEYS = {ENTITY: keys.entity, ACCOUNT: keys.account, BILL_GROUP: keys.bill_group}
_NO_VERSION = 0


@dataclass(frozen=True)
class PolicyDetails:
    """What one owner has of its own, and what comes of it together with what stands above it."""

    own: dict[str, Any]
    effective: ReminderPolicy
    version: int
    """0 when it has nothing of its own."""


def reminder_policy_key(kind: str, owner_id: str) -> Key:
    """Return the key of the policy of an ``entity``, ``account`` or ``bill_group``."""
    return keys.reminder_policy(_OWNER_KEYS[kind](owner_id).pk)


def effective_policy(*rows: ReminderPolicyItem | None) -> ReminderPolicy:
    """Return the policy that comes of the rows of the entity, the account and the bill group, as far as they exist."""
    values: dict[str, Any] = {}
    for row in rows:
        values |= row.policy if row is not None else {}
    return build_dataclass(ReminderPolicy, values)


def get_reminder_policy(kind: str, owner_id: str) -> PolicyDetails:
    """Return the policy of an entity, account or bill group. Raises NotFound when there is no such owner."""
    return _policy_details(kind, owner_id, _PolicyRows.of(kind, owner_id, None, {}))


def try_entity_policy(entity_id: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an entity would have of its own with ``given``. Raises NotFound, InvalidInput as a write does."""
    rows = _PolicyRows.of(ENTITY, entity_id, None, given)
    return merge_own_policy(_policy_details(ENTITY, entity_id, rows).own, given, rows.above)


def put_reminder_policy(
    context: RequestContext,
    kind: str,
    owner_id: str,
    given: Mapping[str, Any],
    expected_version: int | None = None,
    *,
    answer: int = 200,
) -> PolicyDetails:
    """Change what an owner has of its own; null removes a field, so that what stands above it counts.

    What the old policy planned is planned again, by a task. Raises NotFound, InvalidInput that names the field at
    fault, StaleVersion.
    """

    def attempt() -> PolicyDetails:
        rows = _PolicyRows.of(kind, owner_id, context, given)
        before = _policy_details(kind, owner_id, rows)
        if expected_version is not None and expected_version != before.version:
            raise StaleVersion(before.version)
        own = merge_own_policy(before.own, given, rows.above)
        after = _policy_with_own(rows.above, own)
        if own == before.own:
            return before
        transaction = store.Transaction(context)
        version = _write_policy(transaction, rows, own)
        transaction.check_exists(rows.owner)
        changes = tuple(
            FieldChange(name, before.own.get(name), own.get(name))
            for name in sorted(before.own.keys() | own.keys())
            if before.own.get(name) != own.get(name)
        )
        record_audit_event(
            transaction, context, "reminder_policy.changed", "reminder_policy", owner_id, changes, **rows.belongs_to
        )
        add_task(transaction, context, ReplanInvoices(kind, owner_id))
        transaction.record_response(owner_id, answer)
        transaction.commit()
        return PolicyDetails(own, after, version)

    return store.retry_on_conflict(attempt)


def remove_reminder_policy(context: RequestContext, kind: str, owner_id: str) -> None:
    """Let what stands above an account or bill group count for all of its policy. Raises NotFound."""
    put_reminder_policy(
        context, kind, owner_id, dict.fromkeys(field.name for field in fields(ReminderPolicy)), answer=204
    )


def merge_own_policy(own: Mapping[str, Any], given: Mapping[str, Any], above: ReminderPolicy) -> dict[str, Any]:
    """Return what an owner has of its own once ``given`` is put; null takes a field from above.

    Raises InvalidInput that names the field at fault.
    """
    after = {**own, **{name: to_json_value(value) for name, value in given.items()}}
    after = {name: value for name, value in after.items() if value is not None}
    policy = _policy_with_own(above, after)
    check_reminder_policy(policy)
    if after.get("repeat_every_days") is not None and policy.repeat_at_most == 0:
        raise InvalidInput.field("repeat_at_most", "required", "Say how often at most the last step is repeated.")
    return after


def _policy_with_own(above: ReminderPolicy, own: Mapping[str, Any]) -> ReminderPolicy:
    return build_dataclass(ReminderPolicy, {**to_plain_fields(above), **own})


@dataclass(frozen=True)
class _PolicyRows:
    """An owner's row and its policy's, and what the policies above it come to.

    Reading them raises InvalidInput for a step that names a template which the issuing entity has not.
    """

    key: Key
    owner: Any
    policy: ReminderPolicyItem | None
    above: ReminderPolicy
    belongs_to: dict[str, str]

    @classmethod
    def of(cls, kind: str, owner_id: str, context: RequestContext | None, given: Mapping[str, Any]) -> "_PolicyRows":
        key, owner_key = reminder_policy_key(kind, owner_id), _OWNER_KEYS[kind](owner_id)
        found = (
            store.get_items_for_write(context, owner_key, key)
            if context
            else list(map(store.batch_get_items([owner_key, key]).get, (owner_key, key)))
        )
        owner, policy = found
        if owner is None:
            raise NotFound()
        entity_id = owner_id if kind == ENTITY else owner.entity_id
        above = [] if kind == ENTITY else [reminder_policy_key(ENTITY, entity_id)]
        if kind == BILL_GROUP:
            above.append(reminder_policy_key(ACCOUNT, owner.account_id))
        rows = store.batch_get_items([*above, *templates.named_template_keys(entity_id, given)])
        templates.check_templates_exist(entity_id, given, rows)
        belongs_to = {"entity_id": owner_id} if kind == ENTITY else {"account_id": owner.account_id}
        if kind == BILL_GROUP:
            belongs_to["bill_group_id"] = owner_id
        return cls(key, owner, policy, effective_policy(*(rows.get(one) for one in above)), belongs_to)


def _policy_details(kind: str, owner_id: str, rows: _PolicyRows) -> PolicyDetails:
    own = dict(rows.policy.policy) if rows.policy else {}
    version = int(rows.policy.version) if rows.policy else _NO_VERSION
    return PolicyDetails(own, _policy_with_own(rows.above, own), version)


def _write_policy(transaction: store.Transaction, rows: _PolicyRows, own: dict[str, Any]) -> int:
    item = rows.policy or ReminderPolicyItem(rows.key.pk, rows.key.sk)
    item.policy = own
    transaction.put(item, new=rows.policy is None)
    return int(item.version)
