"""Which capability prepares which mail and makes which document."""

import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chalicelib.functions.documents import DOCUMENT_MAKERS
from chalicelib.functions.mail import MAIL_PREPARERS
from chalicelib.tasks.kinds import TASK_KINDS
from chalicelib.tasks.queue import TaskMessage

ROOT = Path(__file__).parents[3]


def preparers() -> set[Callable[..., Any]]:
    """Every preparer of a late-bound mail that the capabilities have."""
    found = set()
    for file in (ROOT / "chalicelib").rglob("mail_content.py"):
        module = importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
        functions = inspect.getmembers(module, inspect.isfunction)
        found |= {one for name, one in functions if name.startswith("prepare_") and one.__module__ == module.__name__}
    return found


def test_every_late_bound_mail_has_one_preparer_and_every_preparer_is_of_a_mail() -> None:
    loaded = [load() for load in MAIL_PREPARERS.values()]
    assert len(loaded) == len(set(loaded))
    assert set(loaded) == preparers()


def test_a_late_bound_mail_is_a_mail_of_its_preparers_capability() -> None:
    for kind, load in MAIL_PREPARERS.items():
        package = load().__module__.rpartition(".")[0]
        emails = importlib.import_module(f"{package}.emails")
        assert f'"{kind}"' in inspect.getsource(emails)


def test_every_document_has_a_maker() -> None:
    assert set(DOCUMENT_MAKERS) == set(TASK_KINDS["document"].task_classes)
    for task_class, load in DOCUMENT_MAKERS.items():
        (message,) = inspect.signature(load()).parameters.values()
        assert message.annotation == TaskMessage[task_class]  # type: ignore[valid-type]
