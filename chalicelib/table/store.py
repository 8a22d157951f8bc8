"""Reading and writing the table: a few plain functions, and the transaction that carries every change.

A use case gathers, decides and writes. When the write meets a change that came in between, ``Contended`` is
raised, and the use case starts again from its reading (``deciding_again``): whatever forbids the change is then
seen and explained by the rules. So conditions hold the invariants, and the rules explain the refusal.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, TypeVar

from pynamodb.exceptions import PutError, PynamoDBException, TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from chalicelib.errors import IdempotentReplay, InvalidInput, Unavailable
from chalicelib.ids import new_id
from chalicelib.request_context import RequestContext
from chalicelib.serialization import get_type_adapter, to_plain_fields
from chalicelib.table import dry_run
from chalicelib.table.items import AuditEventItem, FlowItem, IdempotencyItem, IdentityItem, Item, table_connection
from chalicelib.table.keys import Key, idempotency

T = TypeVar("T")
ItemT = TypeVar("ItemT", bound=Item)

IDEMPOTENCY_LIFETIME = timedelta(hours=24)
_BATCH_SIZE = 100
_MAX_PAGES_PER_FILTER = 10
_MAX_ATTEMPTS = 20
_MAX_BACKOFF_SECONDS = 0.3


class WriteConflict(Exception):
    """Somebody else wrote in between; nothing was written."""


@dataclass(frozen=True)
class ItemPage:
    """Some items in order, and where the next page begins (None at the end)."""

    items: list[Any]
    after: str | None


def from_item(cls: type[T], item: Item) -> T:
    """Return the frozen dataclass ``cls`` made of the attributes of ``item`` that have its fields' names."""
    values = {field.name: getattr(item, field.name) for field in fields(cls)}  # type: ignore[arg-type]
    values = {name: value for name, value in values.items() if value is not None}
    loaded: T = get_type_adapter(cls).validate_python(values)
    return loaded


def to_item(cls: type[ItemT], key: Key, thing: Any, *, listed: Key | None = None) -> ItemT:
    """Return the item that holds a frozen dataclass at ``key``, listed in the first index at ``listed``."""
    item = cls(key.pk, key.sk)
    for name, value in to_plain_fields(thing).items():
        setattr(item, name, sorted(value) if isinstance(value, set | frozenset) else value)
    if listed is not None:
        item.gsi1_pk, item.gsi1_sk = listed.pk, listed.sk
    return item


def get_item(cls: type[ItemT], key: Key) -> ItemT | None:
    """Read one item strongly consistently; None when there is none."""
    if dry_run.current_dry_run() is not None:
        return batch_get_items([key]).get(key)
    with translate_table_errors():
        try:
            item = cls.get(key.pk, key.sk, consistent_read=True)
        except cls.DoesNotExist:
            return None
    return item


def get_items_for_write(context: RequestContext, *keys: Key) -> list[Any]:
    """Read ``keys`` strongly consistently in one go, in order; None for each that does not exist.

    The record of the call's idempotency key is read along with them. Raises Replayed when the key was used
    for the same request within 24 hours, Invalid when for another.
    """
    record_key = idempotency(context.idempotency.principal, context.idempotency.key) if context.idempotency else None
    found = batch_get_items(list(keys) + ([record_key] if record_key else []))
    record = found.get(record_key) if record_key else None
    if isinstance(record, IdempotencyItem):
        _check_idempotency_record(context, record)
    return [found.get(key) for key in keys]


def batch_get_items(keys: Sequence[Key]) -> dict[Key, Any]:
    """Read any number of keys strongly consistently, in batches of 100; missing ones are left out."""
    found: dict[Key, Any] = {}
    wanted = list(dict.fromkeys(keys))
    rehearsed = dry_run.current_dry_run()
    if rehearsed is not None:
        kept, wanted = rehearsed.split(wanted)
        found.update(kept)
    with translate_table_errors():
        for start in range(0, len(wanted), _BATCH_SIZE):
            chunk = [(key.pk, key.sk) for key in wanted[start : start + _BATCH_SIZE]]
            for item in Item.batch_get(chunk, consistent_read=True):
                found[item.key] = item
    return found


def query_items(
    pk: str,
    prefix: str = "",
    *,
    limit: int,
    after: str | None = None,
    until: str | None = None,
    span: tuple[str, str] | None = None,
    newest_first: bool = False,
) -> ItemPage:
    """Read a page of one partition, strongly consistently, in order of the sort key.

    ``after`` is the sort key that the last page ended with; ``until`` bounds the sort key, exclusively, ``span`` at
    both ends, which are included.
    """
    condition: Condition | None = None
    if span is not None:
        condition = Item.sk.between(*span)
    elif until is not None:
        condition = Item.sk < until
    elif prefix:
        condition = Item.sk.startswith(prefix)
    start = {"PK": {"S": pk}, "SK": {"S": after}} if after else None
    rows, last = _query_page(pk, condition, None, limit, start, newest_first)
    return ItemPage([Item.from_raw_data(row) for row in rows], last["SK"]["S"] if last else None)


def query_sort_keys(pk: str, *, limit: int, after: str | None = None, until: str) -> tuple[list[str], str | None]:
    """Read only the sort keys of a page of one partition, up to ``until`` (exclusive), and where the next page begins.

    For rows whose keys say all that matters: making items of a million rows would take minutes.
    """
    start = {"PK": {"S": pk}, "SK": {"S": after}} if after else None
    rows, last = _query_page(pk, Item.sk < until, None, limit, start, newest_first=False)
    return [row["SK"]["S"] for row in rows], last["SK"]["S"] if last else None


def filter_pages(
    pk: str,
    prefix: str,
    fitting: Callable[[list[Any]], list[T | None]],
    *,
    limit: int,
    after: str | None = None,
) -> tuple[list[T], str | None]:
    """Read one partition in order and return the first ``limit`` things that ``fitting`` makes of its rows.

    ``fitting`` answers, for a list of rows, a thing for each, or None for a row that is left out. At most 1000 rows are
    read in one call: where few fit, fewer are returned than were asked for, with the place to go on.
    """
    found: list[T] = []
    for _ in range(_MAX_PAGES_PER_FILTER):
        page = query_items(pk, prefix, limit=_BATCH_SIZE, after=after)
        for row, thing in zip(page.items, fitting(page.items), strict=True):
            if thing is not None:
                found.append(thing)
            if len(found) == limit and row is not page.items[-1]:
                return found, str(row.sk)
        after = page.after
        if after is None or len(found) == limit:
            break
    return found, after


def query_items_by_index(
    pk: str,
    prefix: str = "",
    *,
    limit: int,
    after: str | None = None,
    span: tuple[str, str] | None = None,
    newest_first: bool = False,
) -> ItemPage:
    """Read a page of one partition of GSI1 in order, then its items strongly from the table.

    The index lags: a new item may be missing for a moment, and an item that has moved in the index is still
    returned, so callers check what they filter by. ``after`` is the text that the last page ended with;
    ``span`` bounds the index's sort key, both ends included.
    """
    condition: Condition | None = None
    if span is not None:
        condition = Item.gsi1_sk.between(*span)
    elif prefix:
        condition = Item.gsi1_sk.startswith(prefix)
    start = None
    if after:
        item_pk, item_sk, index_sk = after.split("\n")
        start = {
            "PK": {"S": item_pk},
            "SK": {"S": item_sk},
            "GSI1PK": {"S": pk},
            "GSI1SK": {"S": index_sk},
        }
    rows, last = _query_page(pk, condition, "GSI1", limit, start, newest_first)
    keys = [Key(row["PK"]["S"], row["SK"]["S"]) for row in rows]
    found = batch_get_items(keys)
    position = "\n".join((last["PK"]["S"], last["SK"]["S"], last["GSI1SK"]["S"])) if last else None
    return ItemPage([found[key] for key in keys if key in found], position)


def iterate_items(
    pk: str,
    prefix: str = "",
    *,
    page_size: int,
    after: str | None = None,
    span: tuple[str, str] | None = None,
    by_index: bool = False,
) -> Iterator[Any]:
    """Yield the items of one partition in order, reading a page only when its first item is wanted.

    ``by_index``: a partition of GSI1. The rest is as in ``query_items`` and ``query_items_by_index``.
    """
    query = query_items_by_index if by_index else query_items
    while True:
        page = query(pk, prefix, limit=page_size, after=after, span=span)
        yield from page.items
        after = page.after
        if after is None:
            return


def _query_page(
    pk: str,
    condition: Condition | None,
    index: str | None,
    limit: int,
    start: dict[str, Any] | None,
    newest_first: bool,
) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    # The connection is asked directly: a model's query filters by class, which a keys-only index lacks.
    with translate_table_errors():
        answer = table_connection().query(
            pk,
            range_key_condition=condition,
            index_name=index,
            consistent_read=index is None,
            limit=limit,
            exclusive_start_key=start,
            scan_index_forward=not newest_first,
        )
    return answer["Items"], answer.get("LastEvaluatedKey")


def replace_item(item: Item) -> None:
    """Write ``item`` if nobody changed it since it was read; raises Contended otherwise. Its version rises.

    For changes that need no audit event (leases, progress, statuses of mails). A lost response may make the
    retry meet its own write: then Contended is raised too, and the caller reads again.
    """
    expected = item.version
    item.version = expected + 1
    _put_item(item, Item.version == expected)


def create_item(item: Item) -> None:
    """Write ``item`` if it does not exist yet; raises Contended otherwise."""
    _put_item(item, Item.pk.does_not_exist())


def delete_item(key: Key) -> None:
    """Delete the row at ``key``, whether it exists or not."""
    with translate_table_errors():
        Item(key.pk, key.sk).delete()


def _put_item(item: Item, condition: Condition) -> None:
    with translate_table_errors():
        try:
            item.save(condition)
        except PutError as error:
            if dynamodb_error_code(error) == "ConditionalCheckFailedException":
                raise WriteConflict from error
            raise


class Transaction:
    """All writes of one use case: they happen together or not at all.

    The audit event is also the receipt. Its put is conditional on its own fresh id being unused, so when a
    request is repeated after its response was lost, the repetition fails on the audit event, and on that alone
    it is certain that the first attempt took effect. A sign-in flow, whose key is as fresh, serves likewise:
    strangers ask for it, and leave no audit event.
    """

    def __init__(self, context: RequestContext) -> None:
        """Begin to collect the writes of ``context``."""
        self._context = context
        self._writes: dict[Key, tuple[str, Item, Condition | None]] = {}
        self._receipts: set[Key] = set()
        self._after: list[Callable[[], None]] = []
        self._answer: tuple[str, int] | None = None
        self._amounts: dict[Key, dict[str, int]] = {}

    @property
    def context(self) -> RequestContext:
        """Return the call whose writes these are."""
        return self._context

    def create(self, item: Item) -> None:
        """Add an item that may not exist yet."""
        if isinstance(item, AuditEventItem | FlowItem):
            self._receipts.add(item.key)
        self._writes[item.key] = ("put", item, Item.pk.does_not_exist())

    def replace(self, item: Item) -> None:
        """Write an item that was read, if nobody changed it since. Its version rises."""
        expected = item.version
        item.version = expected + 1
        self._writes[item.key] = ("put", item, Item.version == expected)

    def overwrite(self, item: Item) -> None:
        """Write an item whatever stands there."""
        self._writes[item.key] = ("put", item, None)

    def check(self, item: Item) -> None:
        """Require that an item that was read has not been changed since. A write of the same item suffices."""
        self._writes.setdefault(item.key, ("check", item, Item.version == item.version))

    def check_exists(self, item: Item) -> None:
        """Require that an item that was read still exists, whatever it has become."""
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

    def erase(self, key: Key) -> None:
        """Delete the row at ``key``, which a condition on another item already protects."""
        self._writes[key] = ("delete", Item(key.pk, key.sk), None)

    def delete(self, item: Item) -> None:
        """Delete an item that was read, if nobody changed it since."""
        self._writes[item.key] = ("delete", item, Item.version == item.version)

    def add(self, cls: type[Item], key: Key, amounts: Mapping[str, int]) -> None:
        """Add ``amounts``, which may be negative, to the numbers of a row, which is made where it is not there.

        Nothing is read, and nobody's change is lost. Another write of the transaction must be conditional, so that a
        repetition after a lost response does not count twice.
        """
        self._writes[key] = ("add", cls(key.pk, key.sk), None)
        self._amounts[key] = dict(amounts)

    def record_response(self, resource_id: str, status: int) -> None:
        """Say what a repetition under the same idempotency key is answered with."""
        self._answer = (resource_id, status)

    def after_commit(self, action: Callable[[], None]) -> None:
        """Run ``action`` once the writes are certain. It may be lost in a crash, so it may only be a hint."""
        self._after.append(action)

    def commit(self) -> None:
        """Write everything. Raises Contended when somebody else wrote in between; Unavailable on failure.

        While a rehearsal is on, nothing is written, and nothing happens afterwards.
        """
        rehearsed = dry_run.current_dry_run()
        if rehearsed is not None:
            for key, (kind, item, _) in self._writes.items():
                if kind == "put":
                    rehearsed.put(item)
                elif kind == "delete":
                    rehearsed.delete(key)
            return
        self._add_idempotency_record()
        token = new_id("", self._context.now)
        order: list[Key] = []
        with translate_table_errors():
            transaction = TransactWrite(connection=table_connection().connection, client_request_token=token)
            # PynamoDB sends the kinds in this order, and the cancellation reasons come back in it.
            for wanted in ("check", "delete", "put", "add"):
                for key, (kind, item, condition) in self._writes.items():
                    if kind == "add" == wanted:
                        order.append(key)
                        transaction.update(item, _increment_actions(item, self._amounts[key]))
                    elif kind == wanted:
                        order.append(key)
                        _add_operation(transaction, kind, item, condition)
            try:
                with transaction:
                    pass
            except TransactWriteError as error:
                if not self._was_committed(error, order):
                    raise
        for action in self._after:
            action()

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


def _add_operation(transaction: TransactWrite, kind: str, item: Item, condition: Condition | None) -> None:
    if kind == "put":
        transaction.save(item, condition)
    elif kind == "delete":
        transaction.delete(item, condition)
    elif condition is not None:
        transaction.condition_check(type(item), item.pk, item.sk, condition)


def _increment_actions(item: Item, amounts: Mapping[str, int]) -> list[Action]:
    # The class is set each time: the row may not be there yet.
    named: list[Action] = [type(item).cls.set(type(item)), type(item).schema_version.set(item.schema_version)]
    return [*named, *(getattr(type(item), name).add(amount) for name, amount in amounts.items())]


def retry_on_conflict(attempt: Callable[[], T]) -> T:
    """Run ``attempt`` until it is not contended, reading and deciding afresh each time.

    Raises Unavailable after 20 contended attempts, with nothing written.
    """
    for number in range(_MAX_ATTEMPTS):
        try:
            return attempt()
        except WriteConflict:
            # The pause only spreads the contenders; it needs no strong randomness.
            time.sleep(random.uniform(0, min(0.01 * 2**number, _MAX_BACKOFF_SECONDS)))  # noqa: S311
    raise Unavailable("Too many changes are being made to this at once. Nothing was changed; try again.")


def _check_idempotency_record(context: RequestContext, record: IdempotencyItem) -> None:
    if context.idempotency is None or record.lapses_at <= context.now:
        return
    if record.body_hash == context.idempotency.body_hash:
        raise IdempotentReplay(record.resource_id, int(record.status))
    raise InvalidInput(
        "idempotency_key_reused",
        "This Idempotency-Key was used for another request. Use a new key for a new request.",
    )


def dynamodb_error_code(error: PynamoDBException) -> str | None:
    """Return DynamoDB's code for a refusal, None when nothing came back.

    PynamoDB's own ``cause_response_code`` fails on a timeout, whose response is there and is None.
    """
    response = getattr(error.cause, "response", None) or {}
    code: str | None = response.get("Error", {}).get("Code")
    return code


class translate_table_errors:  # noqa: N801 - it is used like a function.
    """Turn what is left after the client's bounded retries into an honest refusal."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, PynamoDBException) and dynamodb_error_code(error) in {None, *_TRANSIENT_ERROR_CODES}:
            raise Unavailable("The database did not answer. Nothing is known to be changed; try again.") from error


_TRANSIENT_ERROR_CODES = {
    "InternalServerError",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingException",
}
