"""Reminder policies of issuing entities, and what accounts and bill groups have otherwise (R1)."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from chalicelib.audit import service as audit
from chalicelib.audit.rules import Change, plain
from chalicelib.call import Call
from chalicelib.duties import service as duties
from chalicelib.errors import Invalid, NotFound, StaleVersion
from chalicelib.reminders import templates
from chalicelib.reminders.policy import Policy, check_policy
from chalicelib.shapes import build, plain_fields
from chalicelib.table import keys, store
from chalicelib.table.items import ReminderPolicyItem
from chalicelib.table.keys import Key

ENTITY, ACCOUNT, BILL_GROUP = "entity", "account", "bill_group"

_OWNER_KEYS = {ENTITY: keys.entity, ACCOUNT: keys.account, BILL_GROUP: keys.bill_group}
_NO_VERSION = 0


@dataclass(frozen=True)
class PolicyRead:
    """What one owner has of its own, and what comes of it together with what stands above it."""

    own: dict[str, Any]
    effective: Policy
    version: int
    """0 when it has nothing of its own."""


def policy_key(kind: str, owner_id: str) -> Key:
    """Return the key of the policy of an ``entity``, ``account`` or ``bill_group``."""
    return keys.reminder_policy(_OWNER_KEYS[kind](owner_id).pk)


def effective(*rows: ReminderPolicyItem | None) -> Policy:
    """Return the policy that comes of the rows of the entity, the account and the bill group, as far as they exist."""
    values: dict[str, Any] = {}
    for row in rows:
        values |= row.policy if row is not None else {}
    return build(Policy, values)


def get_policy(kind: str, owner_id: str) -> PolicyRead:
    """Return the policy of an entity, account or bill group. Raises NotFound when there is no such owner."""
    return _read(kind, owner_id, _Rows.of(kind, owner_id, None, {}))


def policy_to_try(entity_id: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an entity would have of its own once ``given`` were put. Raises NotFound, Invalid as putting does."""
    rows = _Rows.of(ENTITY, entity_id, None, given)
    return changed(_read(ENTITY, entity_id, rows).own, given, rows.above)


def put_policy(
    call: Call,
    kind: str,
    owner_id: str,
    given: Mapping[str, Any],
    expected_version: int | None = None,
    *,
    answer: int = 200,
) -> PolicyRead:
    """Change what an owner has of its own; null removes a field, so that what stands above it counts.

    What was planned by the old policy is planned anew, by a duty. Raises NotFound, Invalid that names the field at
    fault, StaleVersion.
    """

    def attempt() -> PolicyRead:
        rows = _Rows.of(kind, owner_id, call, given)
        before = _read(kind, owner_id, rows)
        if expected_version is not None and expected_version != before.version:
            raise StaleVersion(before.version)
        own = changed(before.own, given, rows.above)
        after = _policy(rows.above, own)
        if own == before.own:
            return before
        transaction = store.Transaction(call)
        version = _write(transaction, rows, own)
        transaction.check_exists(rows.owner)
        changes = tuple(
            Change(name, before.own.get(name), own.get(name))
            for name in sorted(before.own.keys() | own.keys())
            if before.own.get(name) != own.get(name)
        )
        audit.record(
            transaction, call, "reminder_policy.changed", "reminder_policy", owner_id, changes, **rows.belongs_to
        )
        duties.add(transaction, call, "replanning", f"{kind} {owner_id}")
        transaction.answers(owner_id, answer)
        transaction.commit()
        return PolicyRead(own, after, version)

    return store.deciding_again(attempt)


def remove_policy(call: Call, kind: str, owner_id: str) -> None:
    """Let what stands above an account or bill group count for all of its policy. Raises NotFound."""
    put_policy(call, kind, owner_id, dict.fromkeys(field.name for field in fields(Policy)), answer=204)


def changed(own: Mapping[str, Any], given: Mapping[str, Any], above: Policy) -> dict[str, Any]:
    """Return what an owner has of its own once ``given`` is put; null takes a field from above.

    Raises Invalid that names the field at fault.
    """
    after = {**own, **{name: plain(value) for name, value in given.items()}}
    after = {name: value for name, value in after.items() if value is not None}
    policy = _policy(above, after)
    check_policy(policy)
    if after.get("repeat_every_days") is not None and policy.repeat_at_most == 0:
        raise Invalid.field("repeat_at_most", "required", "Say how often at most the last step is repeated.")
    return after


def _policy(above: Policy, own: Mapping[str, Any]) -> Policy:
    return build(Policy, {**plain_fields(above), **own})


@dataclass(frozen=True)
class _Rows:
    """An owner's row and its policy's, and what the policies above it come to.

    Reading them raises Invalid for a step that names a template which the issuing entity has not.
    """

    key: Key
    owner: Any
    policy: ReminderPolicyItem | None
    above: Policy
    belongs_to: dict[str, str]

    @classmethod
    def of(cls, kind: str, owner_id: str, call: Call | None, given: Mapping[str, Any]) -> "_Rows":
        key, owner_key = policy_key(kind, owner_id), _OWNER_KEYS[kind](owner_id)
        found = (
            store.gather(call, owner_key, key)
            if call
            else list(map(store.batch([owner_key, key]).get, (owner_key, key)))
        )
        owner, policy = found
        if owner is None:
            raise NotFound()
        entity_id = owner_id if kind == ENTITY else owner.entity_id
        above = [] if kind == ENTITY else [policy_key(ENTITY, entity_id)]
        if kind == BILL_GROUP:
            above.append(policy_key(ACCOUNT, owner.account_id))
        rows = store.batch([*above, *templates.keys_of(entity_id, given)])
        templates.check_named(entity_id, given, rows)
        belongs_to = {"entity_id": owner_id} if kind == ENTITY else {"account_id": owner.account_id}
        if kind == BILL_GROUP:
            belongs_to["bill_group_id"] = owner_id
        return cls(key, owner, policy, effective(*(rows.get(one) for one in above)), belongs_to)


def _read(kind: str, owner_id: str, rows: _Rows) -> PolicyRead:
    own = dict(rows.policy.policy) if rows.policy else {}
    version = int(rows.policy.version) if rows.policy else _NO_VERSION
    return PolicyRead(own, _policy(rows.above, own), version)


def _write(transaction: store.Transaction, rows: _Rows, own: dict[str, Any]) -> int:
    item = rows.policy or ReminderPolicyItem(rows.key.pk, rows.key.sk)
    item.policy = own
    transaction.put(item, new=rows.policy is None)
    return int(item.version)
