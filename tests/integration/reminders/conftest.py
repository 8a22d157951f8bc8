from collections.abc import Iterator

import pytest

from chalicelib.entities.service import clear_entity_cache
from tests.aws import aws
from tests.integration.reminders.replies import Post
from tests.integration.reminders.world import World, sound

__all__ = ["aws"]


@pytest.fixture
def world(aws: None) -> Iterator[World]:
    """A customer of an issuing entity whose reminders are live."""
    made = World.start()
    yield made
    sound()
    clear_entity_cache()


@pytest.fixture
def post(world: World) -> Iterator[Post]:
    """The mails of that vendor."""
    made = Post(world)
    yield made
    made.end()
