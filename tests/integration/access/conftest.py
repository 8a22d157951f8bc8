import pytest

from chalicelib import clock
from chalicelib.access import api_keys, rules
from chalicelib.request_context import Actor, RequestContext
from tests.aws import aws

__all__ = ["aws"]


@pytest.fixture
def context(aws: None) -> RequestContext:
    """The circumstances of what a test does itself."""
    return RequestContext(Actor("console", "test", "test"), clock.utc_now(), "test-correlation")


@pytest.fixture
def token(context: RequestContext) -> str:
    """An API key that may do everything."""
    _, token = api_keys.create(context, "billing", list(rules.SCOPES))
    return token
