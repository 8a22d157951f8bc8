"""A year of the sample data, replayed on the real-process engine: every step of every invoice is accounted for.

Sent once, or not sent with a reason that stands written, through both changes of clocks in five time zones (R2 to R5).
"""

import os
import time
from collections.abc import Iterator
from contextlib import redirect_stdout

import pytest

from chalicelib import observability
from chalicelib.entities import service as entities
from chalicelib.mail.sending import ses
from chalicelib.table.items import TaskItem
from tests.aws import forget
from tests.engine import engine, engine_environment  # noqa: F401
from tests.integration.reminders.house import Post
from tests.integration.reminders.world import rows, sound
from tests.integration.reminders.year import AUTUMN, AUTUMN_CLOCKS_IN_ISRAEL, CLOCKS_CHANGE, FIVE_ZONES, YEAR, Replay
from tests.integration.reminders.year_report import NOT_YET, SENT, SKIPPED, SUPERSEDED, TOO_OLD, YearReport

pytestmark = pytest.mark.engine

PROOF = bool(os.environ.get("COUNTERFOIL_PROOF"))


@pytest.fixture
def post(engine_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Post]:  # noqa: F811
    """The SES stand-in, on fresh resources of the engine."""
    forget()
    entities.clear_entity_cache()
    made = Post()
    monkeypatch.setattr(ses, "send", made.send)
    level = observability.logger.log_level
    observability.logger.setLevel("ERROR")
    monkeypatch.setattr(ses, "fetch_limits", lambda: ses.Limits(a_second=1_000_000.0, a_day=None, sent=0))
    yield made
    observability.logger.setLevel(level)
    forget()
    entities.clear_entity_cache()


def test_every_step_of_every_invoice_is_accounted_for(post: Post) -> None:
    begun = time.perf_counter()
    # The functions log to standard output.
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        replay = Replay.start(YEAR if PROOF else AUTUMN, post)
        replay.live()
        report = YearReport(replay)
    print(f"\n{report.table(time.perf_counter() - begun)}")
    report.check_mails()
    report.check_superseded()
    report.check_days()
    sound()
    assert replay.swept == 0, "a message was lost"
    assert rows(TaskItem) == []
    _check_zones(report)
    if PROOF:
        _check_variety(report)


def _check_zones(report: YearReport) -> None:
    """Assert that reminders were sent in all five zones, also on the days on which clocks change there."""
    span = report.replay.span
    for zone in FIVE_ZONES:
        days = {line.sent_on for line in report.lines if str(report.terms[line.account_id].zone) == zone}
        assert days - {None}, f"nobody was reminded in {zone}"
        changes = {day for day in CLOCKS_CHANGE.get(zone, ()) if span.first <= day <= span.last}
        assert changes <= days, f"nobody was reminded in {zone} on a day on which clocks change"


def _check_variety(report: YearReport) -> None:
    """Assert that the year has shown what can become of a step."""
    in_israel = {line.sent_on for line in report.lines if line.account_id == "alon"}
    assert AUTUMN_CLOCKS_IN_ISRAEL in in_israel
    assert {SENT, SUPERSEDED, TOO_OLD, SKIPPED, NOT_YET} <= {line.fate for line in report.lines}
    assert set(report.moved) == {"weekend", "public holiday", "closing day", "quiet spell"}
    assert {
        *("paid", "void", "disputed", "auto_pay", "covered_by_credit", "reminders_off", "payments_not_current"),
        *("paused_invoice", "paused_bill_group", "paused_promise", "all_suppressed", "too_soon"),
    } <= set(report.held_up)
