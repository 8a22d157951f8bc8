"""A statement killed at every AWS call, from asking for it to its mails: one PDF, one mail to each."""

from contextlib import suppress
from typing import Any

import pytest

from chalicelib.table.items import EmailItem, StatementItem
from tests.aws_calls import Crash, failing
from tests.integration.deliveries.world import World, rows, stored, tasks

HOW = ("before", "after", "lost")
PATH = "/accounts/a1/statements"
KEEPING = 1


def try_(number: int, how: str, action: Any) -> None:
    """Do something whose AWS call ``number``, if there is one, fails."""
    with failing(number, how), suppress(Crash):
        action()


def check(world: World, contacts: list[str]) -> None:
    (statement,) = rows(StatementItem)
    assert statement.pdf is not None
    mails = [item for item in rows(EmailItem) if item.kind == "statement"]
    assert sorted(item.contact_id for item in mails) == sorted(contacts)
    assert sorted(statement.email_ids) == sorted(item.email_id for item in mails)
    assert len([key for key in stored() if key.startswith("documents/statements/")]) == 1
    assert tasks("document") == []


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("number", range(9))
def test_asking_for_it(world: World, number: int, how: str) -> None:
    contacts = [world.contact("Ann"), world.contact("Bob")]
    world.work()

    def ask() -> None:
        world.service.ask("POST", PATH, {"send_to": contacts}, idempotency_key="once")

    try_(number, how, ask)
    answer = world.service.ask("POST", PATH, {"send_to": contacts}, idempotency_key="once")
    assert answer.status == 202, answer.text
    assert world.work() + world.pass_time(6) == []
    check(world, contacts)


# Of the call that keeps the file, no response is lost: the client under test cannot send a file twice.
MAKING = [(number, how) for number in range(6) for how in HOW if (number, how) != (KEEPING, "lost")]


@pytest.mark.parametrize(("number", "how"), MAKING)
def test_making_it(world: World, number: int, how: str) -> None:
    contacts = [world.contact("Ann"), world.contact("Bob")]
    world.work()
    world.service.ask("POST", PATH, {"send_to": contacts})
    messages = world.messages("documents")
    try_(number, how, lambda: world.hand("documents", messages))
    # The queue delivers the message again, and the sweeper requeues the task if it is left.
    assert world.hand("documents", messages) == []
    assert world.work() + world.pass_time(6) == []
    check(world, contacts)
    assert len([one for one in world.taken if {"Name": "kind", "Value": "statement"} in one["EmailTags"]]) == 2
