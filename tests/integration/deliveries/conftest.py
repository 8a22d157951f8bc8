from collections.abc import Iterator

import pytest

from tests.aws import aws
from tests.integration.deliveries.world import World

__all__ = ["aws"]


@pytest.fixture
def world(aws: None) -> Iterator[World]:
    """A customer on net terms of an issuing entity whose invoice mail is live."""
    made = World.start()
    yield made
    made.end()
