"""Whether an invoice may be reminded of is decided in one place: planning, digests and the mail's last look ask it."""

from collections.abc import Callable

import pytest

from chalicelib.functions.reminders import send_due_reminders
from chalicelib.reminders.run import digests as run_digests
from chalicelib.reminders.run import rules
from chalicelib.reminders.run.rules import NoReminderReason, Obstacle
from tests.integration.reminders.replies import Post
from tests.integration.reminders.world import LIVE, World, digests, mails, sent, steps

MORNING = "2026-03-11T09:30"
Happens = Callable[[World], None]


def obstruct(monkeypatch: pytest.MonkeyPatch) -> Happens:
    """Return what adds a reason that only ``i1`` has, and nothing else that knows of it."""

    def add(world: World) -> None:
        added = Obstacle(NoReminderReason("recalled", "Recalled."), lambda one, today: one.invoice_id == "i1")
        monkeypatch.setattr(rules, "OBSTACLES", (*rules.OBSTACLES, added))

    return add


def put(path: str, **body: object) -> Happens:
    def happens(world: World) -> None:
        world.service.put(path, **body)

    return happens


PAUSED = put("/bill-groups/g1/reminder-pause", until="2026-03-20")
CREDIT = put("/accounts/a1/payments/p1", entity_id="acme", amount=12000, currency="EUR", received_on="2026-03-11")


def go_live_later(world: World) -> None:
    """Move the day from which invoices are reminded of behind all that were issued."""
    world.service.entity(**{**LIVE, "live_from": "2026-03-01"})


def cut_short_before_claims(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a run die between writing a digest and claiming its steps."""

    def die(*_: object) -> None:
        raise TimeoutError

    with monkeypatch.context() as cut:
        cut.setattr(run_digests, "_finish_digest", die)
        send_due_reminders({"confirm": True}, None)
        assert len(world.remind()) == 1
    (digest,) = digests()
    assert (digest.status, steps()) == ("claiming", {})


def test_planning_honours_a_new_reason(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    obstruct(monkeypatch)(world)
    world.issue("i1")
    world.issue("i2")
    assert world.reasons("i1") == ["recalled"]
    assert world.state("i1").next_on is None
    world.at(MORNING)
    world.hour()
    assert sent() == [("2026-03-11", "i2", "+1")]


@pytest.mark.parametrize(
    "happens", [None, PAUSED, CREDIT, go_live_later], ids=["new", "paused", "credit", "live-later"]
)
def test_a_digest_claims_no_step_of_what_may_not_be_reminded_of_any_more(
    world: World, monkeypatch: pytest.MonkeyPatch, happens: Happens | None
) -> None:
    world.issue("i1")
    world.at(MORNING)
    cut_short_before_claims(world, monkeypatch)
    (happens or obstruct(monkeypatch))(world)
    world.hour()
    assert (sent(), steps(), mails()) == ([], {}, [])
    (digest,) = digests()
    assert digest.status == "empty"
    world.plan()


@pytest.mark.parametrize(
    "happens", [None, PAUSED, CREDIT, go_live_later], ids=["new", "paused", "credit", "live-later"]
)
def test_the_mail_leaves_out_what_may_not_be_reminded_of_any_more(
    world: World, post: Post, monkeypatch: pytest.MonkeyPatch, happens: Happens | None
) -> None:
    world.issue("i1")
    world.at(MORNING)
    world.hour()
    (happens or obstruct(monkeypatch))(world)
    post.deliver()
    assert post.of("reminder") == []
    assert [(mail.status, mail.reason) for mail in mails()] == [("failed", "nothing_left")]
    world.plan()
