"""Use cases of a bill group's subscriptions."""

from dataclasses import dataclass, replace
from typing import Any

from chalicelib.audit.rules import diff_fields
from chalicelib.audit.service import record_audit_event
from chalicelib.bill_groups.rules import Subscription, check_subscription
from chalicelib.errors import NotFound
from chalicelib.request_context import RequestContext
from chalicelib.serialization import build_dataclass, to_plain_fields
from chalicelib.table import keys, store
from chalicelib.table.items import SubscriptionItem


@dataclass(frozen=True)
class SubscriptionWriteResult:
    """The subscription after a write, and whether it was created."""

    subscription: Subscription
    created: bool
    changed: bool = True
    """False when nothing changed and nothing was written."""


def put_subscription(
    context: RequestContext, bill_group_id: str, subscription_id: str, given: dict[str, Any]
) -> SubscriptionWriteResult:
    """Create a subscription or change the fields that are given.

    Raises NotFound without the bill group, InvalidInput naming the fields at fault.
    """

    def attempt() -> SubscriptionWriteResult:
        key = keys.subscription(bill_group_id, subscription_id)
        group, item = store.get_items_for_write(context, keys.bill_group(bill_group_id), key)
        if group is None:
            raise NotFound()
        before = store.from_item(Subscription, item) if item else None
        values = {**(to_plain_fields(before) if before else {}), **given}
        fixed = {
            "subscription_id": subscription_id,
            "bill_group_id": bill_group_id,
            "account_id": group.account_id,
        }
        after = build_dataclass(Subscription, {**values, **fixed})
        check_subscription(after)
        if after == before:
            return SubscriptionWriteResult(after, created=False, changed=False)
        transaction = store.Transaction(context)
        row = store.to_item(SubscriptionItem, key, after)
        transaction.put(row, new=before is None)
        transaction.check_exists(group)
        _record(transaction, context, "changed" if before else "created", before, after, after)
        transaction.record_response(subscription_id, 200 if before else 201)
        transaction.commit()
        return SubscriptionWriteResult(replace(after, version=int(row.version)), created=before is None)

    return store.retry_on_conflict(attempt)


def delete_subscription(context: RequestContext, bill_group_id: str, subscription_id: str) -> None:
    """Delete a subscription. Raises NotFound when it does not exist."""

    def attempt() -> None:
        (item,) = store.get_items_for_write(context, keys.subscription(bill_group_id, subscription_id))
        if item is None:
            raise NotFound()
        before = store.from_item(Subscription, item)
        transaction = store.Transaction(context)
        transaction.delete(item)
        _record(transaction, context, "deleted", before, None, before)
        transaction.record_response(subscription_id, 204)
        transaction.commit()

    store.retry_on_conflict(attempt)


def _record(
    transaction: store.Transaction,
    context: RequestContext,
    done: str,
    before: Subscription | None,
    after: Subscription | None,
    named: Subscription,
) -> None:
    record_audit_event(
        transaction,
        context,
        f"subscription.{done}",
        "subscription",
        named.subscription_id,
        diff_fields(before, after),
        account_id=named.account_id,
        bill_group_id=named.bill_group_id,
    )


def list_subscriptions(bill_group_id: str, after: str | None, limit: int) -> tuple[list[Subscription], str | None]:
    """Return a page of a bill group's subscriptions in order of their ids. Raises NotFound without it."""
    if after is None and keys.bill_group(bill_group_id) not in store.batch_get_items([keys.bill_group(bill_group_id)]):
        raise NotFound()
    first = keys.subscription(bill_group_id, "")
    page = store.query_items(first.pk, first.sk, limit=limit, after=after)
    return [store.from_item(Subscription, item) for item in page.items], page.after


def get_subscription(bill_group_id: str, subscription_id: str) -> Subscription:
    """Read a subscription of a bill group. Raises NotFound."""
    item = store.get_item(SubscriptionItem, keys.subscription(bill_group_id, subscription_id))
    if item is None:
        raise NotFound()
    return store.from_item(Subscription, item)
