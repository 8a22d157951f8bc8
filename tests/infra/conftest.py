"""The package, built once a session: its template quickly for every test, the whole only for the stack."""

import fcntl
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra import package, stack


def _once(factory: pytest.TempPathFactory, worker: str, name: str, make: Callable[[Path], Any]) -> Path:
    """Make a folder once, whichever worker of the session comes first."""
    base = factory.getbasetemp() if worker == "master" else factory.getbasetemp().parent
    folder = base / name
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "sam.json").exists():
            make(folder)
    return folder


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, Any]:
    """The template as it is deployed."""
    folder = _once(tmp_path_factory, worker_id, "template", lambda out: package.build(out, dependencies=False))
    read: dict[str, Any] = json.loads((folder / "sam.json").read_text())
    return read


@pytest.fixture(scope="session")
def packaged(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> package.Package:
    """The whole package, dependencies included."""
    folder = _once(tmp_path_factory, worker_id, "package", package.build)
    return package.Package.at(folder)


@pytest.fixture(scope="module")
def cloud() -> Iterator[stack.Cloud]:
    """A fresh engine with IAM enforced."""
    with stack.cloud() as running:
        yield running
