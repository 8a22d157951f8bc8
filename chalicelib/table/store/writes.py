"""Writing the table: single items, and the transaction that carries every change."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from pynamodb.exceptions import PutError, TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from chalicelib.ids import new_id
from chalicelib.request_context import RequestContext
from chalicelib.table import dry_run, read_cache
from chalicelib.table.items import AuditEventItem, FlowItem, IdempotencyItem, IdentityItem, Item, table_connection
from chalicelib.table.keys import Key, idempotency
from chalicelib.table.store.failures import WriteConflict, dynamodb_error_code, translate_table_errors

IDEMPOTENCY_LIFETIME = timedelta(hours=24)


def replace_item(item: Item) -> None:
    """Write ``item`` if its version is still the one that was read, and increase it; raises WriteConflict otherwise.

    For changes that need no audit event (leases, progress, statuses of emails). After a lost response the retry may
    meet its own write: it raises WriteConflict too, and the caller reads again.
    """
    expected = item.version
    item.version = expected + 1
    _put_item(item, Item.version == expected)


def create_item(item: Item) -> None:
    """Write ``item`` if it does not exist yet; raises WriteConflict otherwise."""
    _put_item(item, Item.pk.does_not_exist())


def delete_item(key: Key) -> None:
    """Delete the row at ``key``, whether it exists or not."""
    with translate_table_errors():
        Item(key.pk, key.sk).delete()
    _forget([key])


def _put_item(item: Item, condition: Condition) -> None:
    _forget([item.key])
    with translate_table_errors():
        try:
            item.save(condition)
        except PutError as error:
            if dynamodb_error_code(error) == "ConditionalCheckFailedException":
                raise WriteConflict from error
            raise


class Transaction:
    """All writes of one use case, atomically.

    The audit event is also the receipt. Its put is conditional on its own fresh id being unused, so when a request is
    repeated after its response was lost, the repetition fails on the audit event, and that alone proves that the first
    attempt succeeded. A sign-in flow, whose key is as fresh, is a receipt too: strangers request it, and leave no audit
    event.
    """

    def __init__(self, context: RequestContext) -> None:
        """Start collecting the writes of ``context``."""
        self._context = context
        self._writes: dict[Key, tuple[str, Item, Condition | None]] = {}
        self._receipts: set[Key] = set()
        self._after: list[Callable[[], None]] = []
        self._answer: tuple[str, int] | None = None
        self._amounts: dict[Key, dict[str, int]] = {}

    @property
    def context(self) -> RequestContext:
        """Return the context of the use case whose writes these are."""
        return self._context

    def create(self, item: Item) -> None:
        """Create an item that must not exist yet."""
        if isinstance(item, AuditEventItem | FlowItem):
            self._receipts.add(item.key)
        self._writes[item.key] = ("put", item, Item.pk.does_not_exist())

    def replace(self, item: Item) -> None:
        """Write an item that was read, if its version has not changed; increase the version."""
        expected = item.version
        item.version = expected + 1
        self._writes[item.key] = ("put", item, Item.version == expected)

    def overwrite(self, item: Item) -> None:
        """Write an item unconditionally."""
        self._writes[item.key] = ("put", item, None)

    def check(self, item: Item) -> None:
        """Require that an item that was read is unchanged. A write of the same item suffices."""
        self._writes.setdefault(item.key, ("check", item, Item.version == item.version))

    def check_exists(self, item: Item) -> None:
        """Require that an item that was read still exists, changed or not."""
        self._writes.setdefault(item.key, ("check", item, Item.pk.exists()))

    def check_absent(self, key: Key) -> None:
        """Require that there is no item at ``key``."""
        self._writes.setdefault(key, ("check", Item(key.pk, key.sk), Item.pk.does_not_exist()))

    def check_sessions_not_ended(self, key: Key, since: datetime) -> None:
        """Require that the person whose identity is at ``key`` did not end their sessions after ``since``."""
        unended = IdentityItem.sessions_not_before.does_not_exist() | (IdentityItem.sessions_not_before <= since)
        self._writes[key] = ("check", IdentityItem(key.pk, key.sk), unended)

    def put(self, item: Item, *, new: bool) -> None:
        """Write an item whose ``version`` is the one that was read: ``create`` it if new, else ``replace`` it."""
        if new:
            self.create(item)
        else:
            self.replace(item)

    def staged(self, key: Key) -> Any | None:
        """Return the item that this transaction writes at ``key``, so that another part of it may change it further."""
        kind, item, _ = self._writes.get(key, ("", None, None))
        return item if kind == "put" else None

    def delete_unconditionally(self, key: Key) -> None:
        """Delete the row at ``key``, which a condition on another item already protects."""
        self._writes[key] = ("delete", Item(key.pk, key.sk), None)

    def delete(self, item: Item) -> None:
        """Delete an item that was read, if it is unchanged."""
        self._writes[item.key] = ("delete", item, Item.version == item.version)

    def add(self, cls: type[Item], key: Key, amounts: Mapping[str, int]) -> None:
        """Add ``amounts``, which may be negative, to the numbers of a row, which is created if it does not exist.

        Nothing is read, and no concurrent change is lost. Another write of the transaction must be conditional, so that
        a repetition after a lost response does not count twice.
        """
        self._writes[key] = ("add", cls(key.pk, key.sk), None)
        self._amounts[key] = dict(amounts)

    def record_response(self, resource_id: str, status: int) -> None:
        """Set the reply to a repetition with the same idempotency key."""
        self._answer = (resource_id, status)

    def after_commit(self, action: Callable[[], None]) -> None:
        """Run ``action`` after the commit. A crash may lose it, so it must be a hint."""
        self._after.append(action)

    def commit(self) -> None:
        """Commit all writes. Raises WriteConflict when a row has changed; Unavailable on failure.

        In a dry run nothing is written, and no action runs after the commit.
        """
        running_dry = dry_run.current_dry_run()
        if running_dry is not None:
            for key, (kind, item, _) in self._writes.items():
                if kind == "put":
                    running_dry.put(item)
                elif kind == "delete":
                    running_dry.delete(key)
            return
        self._add_idempotency_record()
        _forget(key for key, (kind, _, _) in self._writes.items() if kind != "check")
        token = new_id("", self._context.now)
        order: list[Key] = []
        with translate_table_errors():
            transaction = TransactWrite(connection=table_connection().connection, client_request_token=token)
            # PynamoDB sends the kinds in this order, and the cancellation reasons come back in it.
            for operation in ("check", "delete", "put", "add"):
                for key, (kind, item, condition) in self._writes.items():
                    if kind == "add" == operation:
                        order.append(key)
                        transaction.update(item, _increment_actions(item, self._amounts[key]))
                    elif kind == operation:
                        order.append(key)
                        _add_operation(transaction, kind, item, condition)
            try:
                with transaction:
                    pass
            except TransactWriteError as error:
                if not self._was_committed(error, order):
                    raise
            else:
                self._remember_written()
        for action in self._after:
            action()

    def _remember_written(self) -> None:
        cache = read_cache.current_read_cache()
        if cache is not None:
            known = {key: item for key, (kind, item, _) in self._writes.items() if kind == "put"}
            gone = [key for key, (kind, _, _) in self._writes.items() if kind == "delete"]
            cache.remember([*known, *gone], known)

    def _was_committed(self, error: TransactWriteError, order: list[Key]) -> bool:
        if dynamodb_error_code(error) in {"TransactionConflictException", "TransactionInProgressException"}:
            raise WriteConflict from error
        if dynamodb_error_code(error) != "TransactionCanceledException":
            return False
        failed = {key: reason for key, reason in zip(order, error.cancellation_reasons, strict=True) if reason}
        if any(reason.code == "ConditionalCheckFailed" and key in self._receipts for key, reason in failed.items()):
            return True
        if all(reason.code in {"ConditionalCheckFailed", "TransactionConflict"} for reason in failed.values()):
            raise WriteConflict from error
        return False

    def _add_idempotency_record(self) -> None:
        used = self._context.idempotency
        if used is None:
            return
        if self._answer is None:
            raise RuntimeError("A use case under an idempotency key must say what it answers.")
        key = idempotency(used.principal, used.key)
        lapses_at = self._context.now + IDEMPOTENCY_LIFETIME
        record = IdempotencyItem(
            key.pk,
            key.sk,
            body_hash=used.body_hash,
            resource_id=self._answer[0],
            status=self._answer[1],
            lapses_at=lapses_at,
            expires_at=lapses_at,
        )
        unused = Item.pk.does_not_exist() | (IdempotencyItem.lapses_at <= self._context.now)
        self._writes[key] = ("put", record, unused)


def _forget(keys: Iterable[Key]) -> None:
    cache = read_cache.current_read_cache()
    if cache is not None:
        cache.forget(keys)


def _add_operation(transaction: TransactWrite, kind: str, item: Item, condition: Condition | None) -> None:
    if kind == "put":
        transaction.save(item, condition)
    elif kind == "delete":
        transaction.delete(item, condition)
    elif condition is not None:
        transaction.condition_check(type(item), item.pk, item.sk, condition)


def _increment_actions(item: Item, amounts: Mapping[str, int]) -> list[Action]:
    # The class is set each time: the row may not exist yet.
    named: list[Action] = [type(item).cls.set(type(item)), type(item).schema_version.set(item.schema_version)]
    return [*named, *(getattr(type(item), name).add(amount) for name, amount in amounts.items())]
