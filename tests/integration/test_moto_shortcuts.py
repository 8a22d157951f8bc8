"""The shortcuts through moto change none of its answers."""

from typing import Any

import pytest

from tests.aws import TABLE, client
from tests.moto_shortcuts import install

VALUES: dict[str, Any] = {
    "text": {"S": "t"},
    "empty": {"S": ""},
    "number": {"N": "1.50"},
    "bytes": {"B": b"\x00\xff"},
    "true": {"BOOL": True},
    "nothing": {"NULL": True},
    "list": {"L": [{"S": "a"}, {"M": {"n": {"N": "2"}}}, {"L": []}]},
    "map": {"M": {"S": {"S": "a name like a type"}, "inner": {"M": {}}}},
    "texts": {"SS": ["a", "b"]},
    "numbers": {"NS": ["1", "2"]},
    "pieces": {"BS": [b"a", b"b"]},
}


def key(name: str) -> dict[str, Any]:
    return {"PK": {"S": name}, "SK": {"S": "-"}}


def everything() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client("dynamodb").scan(TableName=TABLE)["Items"]
    return found


@pytest.mark.usefixtures("aws")
def test_every_kind_of_value_comes_back_as_it_went() -> None:
    client("dynamodb").put_item(TableName=TABLE, Item=key("a") | VALUES)
    assert everything() == [key("a") | VALUES]


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("number", range(4))
def test_a_transaction_that_fails_leaves_everything_as_it_was(number: int) -> None:
    for name in "abc":
        client("dynamodb").put_item(TableName=TABLE, Item=key(name) | {"kept": {"L": [{"N": "1"}]}})
    before = everything()
    add = {"UpdateExpression": "SET kept[0] = :two", "ExpressionAttributeValues": {":two": {"N": "2"}}}
    operations: list[dict[str, Any]] = [
        {"Update": {"TableName": TABLE, "Key": key("a"), **add}},
        {"Put": {"TableName": TABLE, "Item": key("d")}},
        {"Delete": {"TableName": TABLE, "Key": key("b")}},
    ]
    fails = {"TableName": TABLE, "Key": key("c"), "ConditionExpression": "attribute_not_exists(PK)"}
    operations.insert(number, {"ConditionCheck": fails})
    database = client("dynamodb")
    with pytest.raises(database.exceptions.TransactionCanceledException):
        database.transact_write_items(TransactItems=operations)
    assert everything() == before
    del operations[number]
    database.transact_write_items(TransactItems=operations)
    assert [row["PK"]["S"] for row in everything()] == ["a", "c", "d"]
    assert everything()[0]["kept"] == {"L": [{"N": "2"}]}


def test_they_end_with_who_took_them() -> None:
    from moto.dynamodb.models import DynamoDBBackend

    before = DynamoDBBackend.transact_write_items
    with pytest.MonkeyPatch.context() as patch:
        install(patch)
        assert DynamoDBBackend.transact_write_items is not before
    assert DynamoDBBackend.transact_write_items is before
