from collections.abc import Iterator

import pytest

from chalicelib import clock
from chalicelib.entities import service as entities
from tests.aws import aws
from tests.integration.imports.imports import CALL, ENTITY, NOW

__all__ = ["aws"]


@pytest.fixture
def entity(aws: None) -> Iterator[None]:
    """A deployment with one issuing entity, at a certain time."""
    entities.clear_entity_cache()
    clock.set_clock_source(lambda: NOW)
    entities.put_entity(CALL, "acme", ENTITY)
    yield
    entities.clear_entity_cache()
