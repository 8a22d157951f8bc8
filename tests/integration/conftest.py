from collections.abc import Iterator

import pytest

from chalicelib.entities.service import clear_entity_cache
from tests.aws import aws
from tests.integration.service import Service

__all__ = ["aws"]


@pytest.fixture
def service(aws: None) -> Iterator[Service]:
    """A deployment with the issuing entity acme, and a caller who may do everything."""
    clear_entity_cache()
    made = Service.start()
    made.entity()
    yield made
    clear_entity_cache()
