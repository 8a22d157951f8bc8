"""Shortcuts through moto, which answers the same without them, but takes several times as long.

For each operation of a transaction moto copies the whole table deeply, to put it back should one fail; it asks each
value of an answer for ten types under some thirty names; and it casts texts whenever it compares them.
"""

import copy
from collections import defaultdict
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from moto.core.serialize import ResponseSerializer
from moto.dynamodb import models
from moto.dynamodb.models import DynamoDBBackend, Table
from moto.dynamodb.models.dynamo_type import DynamoType


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the shortcuts for as long as ``monkeypatch`` lasts."""
    _copy_what_a_transaction_names(monkeypatch)
    _look_only_for_what_a_value_has(monkeypatch)
    _compare_texts_as_they_are(monkeypatch)


def _copy_what_a_transaction_names(monkeypatch: pytest.MonkeyPatch) -> None:
    transact = DynamoDBBackend.transact_write_items

    def transact_write_items(self: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
        before: dict[str, Table] = {}

        def copied(value: Any) -> Any:
            if not isinstance(value, Table):
                return copy.deepcopy(value)
            if value.name not in before:
                before[value.name] = _copied(value, transact_items)
            return before[value.name]

        with monkeypatch.context() as patch:
            patch.setattr(models, "copy", SimpleNamespace(deepcopy=copied))
            transact(self, transact_items)

    monkeypatch.setattr(DynamoDBBackend, "transact_write_items", transact_write_items)


def _copied(table: Table, transact_items: Sequence[dict[str, Any]]) -> Table:
    """Return a copy that shares the rows that no operation names: moto changes no other in place."""
    made = copy.copy(table)
    made.items = defaultdict(dict, {partition: dict(rows) for partition, rows in table.items.items()})
    for item in transact_items:
        (operation,) = item.values()
        key = operation.get("Key") or operation["Item"]
        partition, sort = DynamoType(key[table.hash_key_attr]), DynamoType(key[table.range_key_attr])
        if sort in made.items.get(partition, ()):
            made.items[partition][sort] = copy.deepcopy(made.items[partition][sort])
    return made


def _look_only_for_what_a_value_has(monkeypatch: pytest.MonkeyPatch) -> None:
    serialize = ResponseSerializer._serialize_type_structure

    def serialize_type_structure(self: Any, serialized: Any, value: Any, shape: Any, key: str) -> None:
        if shape.name != "AttributeValue" or type(value) is not dict or not key:
            serialize(self, serialized, value, shape, key)
            return
        wrapper = self.MAP_TYPE()
        for name in value:
            member = shape.members[name]
            member.parent = shape
            self._serialize_structure_member(wrapper, value, member, name)
        self._default_serialize(serialized, wrapper, shape, key)

    monkeypatch.setattr(ResponseSerializer, "_serialize_type_structure", serialize_type_structure)


def _compare_texts_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    cast = DynamoType.cast_value.fget
    monkeypatch.setattr(DynamoType, "cast_value", property(lambda self: self.value if self.type == "S" else cast(self)))
