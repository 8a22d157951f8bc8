"""Through how many modules four operations lead: ``python -m tests.bench.walks [--rooms]``.

To understand an operation, a reader goes from function to function. Each call of a function of ours is a step, and a
step into another module than that of the step before opens another file:

calls: the functions that were called, each time they were. stays: the modules that they lie in, each time the walk
came into one; calls that follow each other in one module are one stay. rooms: the different modules among these.
packages: the packages at top level that these lie in, and modules beside them; ``--rooms`` tells the modules.

Not counted is what is no function of a module: comprehensions, methods that dataclasses generate, templates of mails.
The log is off, so what forms its lines is not there either.
The operations run on moto, twice, and the second time is counted: caches are filled, and imports are done.
"""

import io
import logging
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout
from functools import cache
from inspect import CO_NEWLOCALS, CO_OPTIMIZED
from itertools import groupby
from pathlib import Path
from types import CodeType, FrameType
from typing import Any
from unittest.mock import patch

import boto3
import pytest

from tests.aws import deployment
from tests.integration.deliveries import world as deliveries
from tests.integration.reminders import world as reminders
from tests.integration.service import Service
from tests.integration.sign_in.people import Inbox

ROOT = Path(__file__).parents[2]
OURS = "chalicelib"
SENDER = "billing@acme.example"
_FUNCTION = CO_OPTIMIZED | CO_NEWLOCALS
_INLINE = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")


class Walk:
    """The modules of the functions that were called, in their order."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self._starts: dict[CodeType, int] = {}

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Record the calls inside; work that would run in parallel threads runs in sequence."""
        with patch.object(ThreadPoolExecutor, "submit", _submit):
            sys.setprofile(self._note)
            try:
                yield
            finally:
                sys.setprofile(None)

    def _note(self, frame: FrameType, event: str, argument: Any) -> None:
        if event != "call":
            return
        module = _module(frame.f_code)
        # A generator that goes on is told as a call too, which is no step: it goes on elsewhere than where it begins.
        if module and self._starts.setdefault(frame.f_code, frame.f_lasti) == frame.f_lasti:
            self.steps.append(module)

    @property
    def stays(self) -> list[str]:
        return [module for module, _ in groupby(self.steps)]

    @property
    def rooms(self) -> list[str]:
        return sorted(set(self.steps))

    @property
    def packages(self) -> list[str]:
        return sorted({module.split(".")[1] for module in self.rooms})


@cache
def _module(code: CodeType) -> str:
    """Return the module of ours in which a function stands, or nothing."""
    path = Path(code.co_filename)
    if path.suffix != ".py" or not path.is_relative_to(ROOT / OURS):
        return ""
    if code.co_flags & _FUNCTION != _FUNCTION or code.co_name in _INLINE:
        return ""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _submit(self: Executor, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
    done: Future[Any] = Future()
    try:
        done.set_result(work(*args, **kwargs))
    except Exception as error:
        done.set_exception(error)
    return done


def create_a_contact(walk: Walk) -> None:
    """POST /v1/accounts/{account_id}/contacts."""
    service = Service.start()
    service.entity()
    account = service.account()
    with walk.recorded():
        service.contact(account, "Ada", "invoicing")


def invoice_to_mail(walk: Walk) -> None:
    """PUT /v1/invoices/{invoice_id}, then all that is queued, until SES has taken the mail with the PDF."""
    world = deliveries.World.start()
    try:
        world.contact("Ada", "invoicing")
        assert world.work() == []
        with walk.recorded():
            world.issue()
            assert world.work() == []
        assert len(world.invoice_mails) == 1
    finally:
        world.end()


def sign_in_by_link(walk: Walk) -> None:
    """POST /v1/sign-in, the mail, and POST /v1/sessions with the link in it."""
    boto3.client("sesv2").create_email_identity(EmailIdentity=SENDER)
    service = Service.start()
    service.entity()
    group = service.bill_group("b1", service.account())
    rule = service.ask("POST", f"{group}/access-rules", {"value": "ada@customer.example"})
    assert rule.status == 201, rule.text
    inbox = Inbox()
    inbox.fetch()
    with walk.recorded():
        asked = service.ask("POST", "/sign-in", {"email": "ada@customer.example"})
        mail = inbox.newest()
        opened = service.ask("POST", "/sessions", {"flow": asked.json["flow"], "link": mail.link})
    assert opened.status == 201, opened.text


def remind_an_account(walk: Walk) -> None:
    """The hourly run, which finds one account due, and all that it queues, until SES has taken the mail."""
    boto3.client("sesv2").create_email_identity(EmailIdentity=SENDER)
    world = reminders.World.start()
    world.issue()
    mailing = deliveries.World(world.service)
    assert mailing.work() == []
    world.at("2026-03-11T09:30")
    with walk.recorded():
        world.hour()
        assert mailing.work() == []
    (mail,) = reminders.mails()
    assert mail.status == "sent"


OPERATIONS: dict[str, Callable[[Walk], None]] = {
    "create a contact": create_a_contact,
    "invoice, from issue to mail": invoice_to_mail,
    "sign in by a link": sign_in_by_link,
    "remind one account": remind_an_account,
}


def walked(operation: Callable[[Walk], None]) -> Walk:
    """Return the walk of an operation on a fresh deployment."""
    walk = Walk()
    with pytest.MonkeyPatch.context() as monkeypatch, deployment(monkeypatch), redirect_stdout(io.StringIO()):
        operation(walk)
    return walk


def main(*, rooms: bool) -> None:
    """Print a table, and the modules of each walk if they are wanted."""
    logging.disable()
    for operation in OPERATIONS.values():
        walked(operation)
    walks = {word: walked(operation) for word, operation in OPERATIONS.items()}
    print(f"{'':28}{'stays':>8}{'rooms':>8}{'packages':>10}{'calls':>8}")
    for word, walk in walks.items():
        print(f"{word:28}{len(walk.stays):8}{len(walk.rooms):8}{len(walk.packages):10}{len(walk.steps):8}")
    for word, walk in walks.items() if rooms else ():
        print(f"\n{word}:")
        print("\n".join(f"{walk.stays.count(room):6}  {room.removeprefix(f'{OURS}.')}" for room in walk.rooms))


if __name__ == "__main__":
    main(rooms="--rooms" in sys.argv[1:])
