"""From a frozen dataclass to its item, and back."""

from dataclasses import fields
from typing import Any, TypeVar

from chalicelib.json_values import to_json_value
from chalicelib.serialization import get_type_adapter
from chalicelib.table.attributes import JsonAttribute
from chalicelib.table.items import Item
from chalicelib.table.keys import Key

T = TypeVar("T")
ItemT = TypeVar("ItemT", bound=Item)


def from_item(cls: type[T], item: Item) -> T:
    """Return the frozen dataclass ``cls`` from the attributes of ``item`` with the names of its fields."""
    values = {field.name: getattr(item, field.name) for field in fields(cls)}  # type: ignore[arg-type]
    values = {name: value for name, value in values.items() if value is not None}
    loaded: T = get_type_adapter(cls).validate_python(values)
    return loaded


def to_item(cls: type[ItemT], key: Key, thing: Any, *, listed: Key | None = None) -> ItemT:
    """Return the item that holds a frozen dataclass at ``key``, listed in the first index at ``listed``."""
    item, attributes = cls(key.pk, key.sk), cls.get_attributes()
    for name, value in vars(thing).items():
        setattr(item, name, to_json_value(value) if isinstance(attributes[name], JsonAttribute) else value)
    if listed is not None:
        item.gsi1_pk, item.gsi1_sk = listed.pk, listed.sk
    return item
