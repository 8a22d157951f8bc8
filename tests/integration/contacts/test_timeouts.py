"""A table that answers nothing in time."""

from typing import Any
from unittest.mock import patch

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError

from tests.integration.service import Service, code, rows

REAL = BaseClient._make_api_call
ANN = {"first_name": "Ann", "last_name": "Lee", "email": "ann@example.com"}


@pytest.mark.parametrize("operation", ["GetItem", "BatchGetItem", "TransactWriteItems"])
@pytest.mark.parametrize("failure", [ReadTimeoutError, ConnectTimeoutError])
def test_it_is_reported_as_such(service: Service, operation: str, failure: type[Exception]) -> None:
    account = service.account()
    before = rows()

    def call(client: BaseClient, name: str, parameters: dict[str, Any]) -> Any:
        if name == operation:
            raise failure(endpoint_url="https://dynamodb", error="")  # type: ignore[call-arg]
        return REAL(client, name, parameters)

    with patch.object(BaseClient, "_make_api_call", call):
        answer = service.ask("POST", f"{account}/contacts", ANN)
    assert code(answer) == (503, "unavailable")
    assert rows() == before
