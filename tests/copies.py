"""Accounts and invoices by the hundred thousand: the rows of such as the service has made, copied under other names.

All rows are copied that a run of reminders may touch; audit events and what an invoice says are not.
"""

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from typing import Any

import boto3
from botocore.config import Config

from chalicelib.config import settings
from chalicelib.reminders.run import planning
from chalicelib.table import keys
from tests.integration.invoices.invoices import body, customer
from tests.integration.service import Service

_NOT_COPIED = ("AUDIT#", "CONTENT#")
_IN_A_BATCH = 25
_AT_ONCE = 4
_IN_HAND = 100
"""Batches that are held in memory together."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Pattern:
    """The rows of an account with one invoice, which were taken out of the table."""

    word: str
    rows: tuple[str, ...]
    at: datetime

    @classmethod
    def made(cls, service: Service, word: str, due: date) -> "Pattern":
        """Let the service make an account of the entity acme, with a contact to remind and an invoice."""
        account_id, group_id, invoice_id = (f"pattern-{word}-{kind}" for kind in "agi")
        account = customer(service, account_id, group_id)
        service.contact(account, "Ada", "accounts_payable")
        given = body(f"PATTERN-{word}", bill_group_id=group_id, due_date=due.isoformat(), deliver=False)
        service.put(f"/invoices/{invoice_id}", **given)
        planning.plan_invoice_with_retry(service.context, invoice_id)
        partitions = (f"ACCOUNT#{account_id}", f"BILLGROUP#{group_id}", f"INVOICE#{invoice_id}")
        rows = [
            row
            for partition in (*partitions, *keys.reminder_due_partitions())
            for row in _all_of(partition)
            if not row["SK"]["S"].startswith(_NOT_COPIED)
        ]
        write({"DeleteRequest": {"Key": {"PK": row["PK"], "SK": row["SK"]}}} for row in rows)
        return cls(word, tuple(json.dumps(row) for row in rows), service.clock.now)

    def accounts(self, names: Iterable[str]) -> Iterator[Row]:
        """Yield what writes an account of each name, with one invoice."""
        for name in names:
            for text in self.rows:
                yield self._copy(text, name, f"{name}-i")

    def invoices(self, name: str, numbers: Iterable[int]) -> Iterator[Row]:
        """Yield what writes more invoices of the account of a name."""
        due = [text for text in self.rows if self._is_due_row(text)]
        yield from (self._copy(text, name, "") for text in due)
        of_invoice = [text for text in self.rows if f"pattern-{self.word}-i" in text]
        for number in numbers:
            for text in of_invoice:
                yield self._copy(text, name, f"{name}-{number}")

    @staticmethod
    def _is_due_row(text: str) -> bool:
        return bool(json.loads(text)["PK"]["S"].startswith("WORK#"))

    def _copy(self, text: str, name: str, invoice_id: str) -> Row:
        pattern = f"pattern-{self.word}-"
        text = text.replace(f"{pattern}i", invoice_id).replace(f"PATTERN-{self.word}", invoice_id.upper())
        row: Row = json.loads(text.replace(f"{pattern}a", f"{name}-a").replace(f"{pattern}g", f"{name}-g"))
        if row["PK"]["S"].startswith("WORK#"):
            row["PK"]["S"] = keys.reminder_due(f"{name}-a", "acme", self.at).pk
        return {"PutRequest": {"Item": row}}


def _all_of(partition: str) -> list[Row]:
    asked = {"KeyConditionExpression": "PK = :pk", "ExpressionAttributeValues": {":pk": {"S": partition}}}
    found: list[Row] = boto3.client("dynamodb").query(TableName=settings().table_name, **asked)["Items"]
    return found


def write(requests: Iterable[Row]) -> None:
    """Write to the table, each row once, by several connections."""
    # Nothing here is for the client to check: that would take most of the time.
    client = boto3.client("dynamodb", config=Config(parameter_validation=False, max_pool_connections=_AT_ONCE))
    table = settings().table_name

    def send(part: list[Row]) -> None:
        left = {table: part}
        while left:
            left = client.batch_write_item(RequestItems=left).get("UnprocessedItems") or {}

    left = iter(requests)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        while held := list(islice(left, _IN_A_BATCH * _IN_HAND)):
            list(pool.map(send, (held[at : at + _IN_A_BATCH] for at in range(0, len(held), _IN_A_BATCH))))
