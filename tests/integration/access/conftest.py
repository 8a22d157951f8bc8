import pytest

from chalicelib import clock
from chalicelib.access import api_keys, rules
from chalicelib.call import Actor, Call
from tests.aws import aws

__all__ = ["aws"]


@pytest.fixture
def call(aws: None) -> Call:
    """The circumstances of what a test does itself."""
    return Call(Actor("console", "test", "test"), clock.now(), "test-correlation")


@pytest.fixture
def token(call: Call) -> str:
    """An API key that may do everything."""
    _, token = api_keys.create(call, "billing", list(rules.SCOPES))
    return token
