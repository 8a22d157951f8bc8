"""The local engine as a fixture: a real process, atomic, on a free port, with a fresh state.

A test module asks for it with ``from tests.engine import engine, engine_environment`` and the mark
``engine``. Each test gets a table, queues, a bucket and a topic of its own, made by the code of ``make run``.
"""

import os
import secrets
from collections.abc import Iterator

import pytest

from infra.local import environment as local_environment
from infra.local import resources
from infra.local.engine import Engine, start
from infra.local.template import Template


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """One engine for the tests of a session."""
    folder = tmp_path_factory.mktemp("engine")
    running = start(folder / "state", folder / "logs", saves=False)
    yield running
    running.stop()


@pytest.fixture
def engine_environment(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of the service on fresh resources; it is also that of this process while the test runs.

    What the code under test keeps for the life of a process (settings, clients) is for ``conftest`` to forget.
    """
    environment = make_environment(engine)
    for name in os.environ:
        if name.startswith("AWS_") and name not in environment:
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return environment


def make_environment(engine: Engine, **own: str) -> dict[str, str]:
    """Make fresh resources on ``engine`` and return the environment of a service on them."""
    template = Template.read()
    base = local_environment.base(engine.url)
    values = resources.create(resources.Clients(base), template, f"test-{secrets.token_hex(4)}")
    given = {
        "DEPLOYMENT": "test",
        "PUBLIC_URL": "http://127.0.0.1:1",
        "SIGNING_KEY": "0" * 32,
        "MAIL_MODE": "live",
        **own,
    }
    return local_environment.service(base, template, values, given)
