"""Use cases of a bill group's subscriptions."""

from dataclasses import dataclass, replace
from typing import Any

from chalicelib.audit import rules as audit_rules
from chalicelib.audit import service as audit
from chalicelib.bill_groups.rules import Subscription, check_subscription
from chalicelib.call import Call
from chalicelib.errors import NotFound
from chalicelib.shapes import build, plain_fields
from chalicelib.table import keys, store
from chalicelib.table.items import SubscriptionItem

_NOT_AUDITED = frozenset({"version"})


@dataclass(frozen=True)
class Written:
    """The subscription after a write, and whether the write made it."""

    subscription: Subscription
    created: bool
    changed: bool = True
    """False when everything was so already, and nothing was written."""


def put_subscription(call: Call, bill_group_id: str, subscription_id: str, given: dict[str, Any]) -> Written:
    """Create a subscription or change the fields that are given.

    Raises NotFound without the bill group, Invalid naming the fields at fault.
    """

    def attempt() -> Written:
        key = keys.subscription(bill_group_id, subscription_id)
        group, item = store.gather(call, keys.bill_group(bill_group_id), key)
        if group is None:
            raise NotFound()
        before = store.load(Subscription, item) if item else None
        values = {**(plain_fields(before) if before else {}), **given}
        fixed = {
            "subscription_id": subscription_id,
            "bill_group_id": bill_group_id,
            "account_id": group.account_id,
        }
        after = build(Subscription, {**values, **fixed})
        check_subscription(after)
        if after == before:
            return Written(after, created=False, changed=False)
        transaction = store.Transaction(call)
        row = store.row(SubscriptionItem, key, after)
        transaction.put(row, new=before is None)
        transaction.check_exists(group)
        _record(transaction, call, "changed" if before else "created", before, after, after)
        transaction.answers(subscription_id, 200 if before else 201)
        transaction.commit()
        return Written(replace(after, version=int(row.version)), created=before is None)

    return store.deciding_again(attempt)


def delete_subscription(call: Call, bill_group_id: str, subscription_id: str) -> None:
    """Delete a subscription. Raises NotFound when it is not there."""

    def attempt() -> None:
        (item,) = store.gather(call, keys.subscription(bill_group_id, subscription_id))
        if item is None:
            raise NotFound()
        before = store.load(Subscription, item)
        transaction = store.Transaction(call)
        transaction.delete(item)
        _record(transaction, call, "deleted", before, None, before)
        transaction.answers(subscription_id, 204)
        transaction.commit()

    store.deciding_again(attempt)


def _record(
    transaction: store.Transaction,
    call: Call,
    done: str,
    before: Subscription | None,
    after: Subscription | None,
    named: Subscription,
) -> None:
    audit.record(
        transaction,
        call,
        f"subscription.{done}",
        "subscription",
        named.subscription_id,
        audit_rules.changes(before, after, without=_NOT_AUDITED),
        account_id=named.account_id,
        bill_group_id=named.bill_group_id,
    )


def list_subscriptions(bill_group_id: str, after: str | None, limit: int) -> tuple[list[Subscription], str | None]:
    """Return a page of a bill group's subscriptions in order of their ids. Raises NotFound without it."""
    if after is None and keys.bill_group(bill_group_id) not in store.batch([keys.bill_group(bill_group_id)]):
        raise NotFound()
    page = store.query(keys.bill_group(bill_group_id).pk, "SUBSCRIPTION#", limit=limit, after=after)
    return [store.load(Subscription, item) for item in page.items], page.after


def get_subscription(bill_group_id: str, subscription_id: str) -> Subscription:
    """Read a subscription of a bill group. Raises NotFound."""
    item = store.get(SubscriptionItem, keys.subscription(bill_group_id, subscription_id))
    if item is None:
        raise NotFound()
    return store.load(Subscription, item)
