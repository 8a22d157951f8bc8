"""The clock of the local service."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.local import service_clock
from infra.local.folder import DataFolder
from infra.local.service_clock import ClockError, ServiceClock

_SECOND = timedelta(seconds=1)


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path)


def test_without_a_file_it_is_the_machine_clock(folder: DataFolder) -> None:
    assert abs(ServiceClock(folder).now() - datetime.now(UTC)) < _SECOND


def test_it_is_moved_for_processes_that_run_already_and_time_runs_on(folder: DataFolder) -> None:
    clock = ServiceClock(folder)
    clock.now()
    service_clock.move(folder, "2013-02-01T09:00Z")
    first = clock.now()
    assert timedelta() <= first - datetime(2013, 2, 1, 9, tzinfo=UTC) < _SECOND
    assert clock.now() > first
    service_clock.move(folder, "2013-03-01T10:00+01:00")
    assert timedelta() <= clock.now() - datetime(2013, 3, 1, 9, tzinfo=UTC) < _SECOND
    service_clock.move(folder, "now")
    assert abs(clock.now() - datetime.now(UTC)) < _SECOND


def test_it_says_when_it_runs_backwards_past_written_data(folder: DataFolder) -> None:
    service_clock.move(folder, "2013-02-01T09:00Z")
    ServiceClock(folder).note_write()
    assert "backwards" not in service_clock.move(folder, "2013-03-01T00:00Z")
    assert "backwards" in service_clock.move(folder, "2013-02-02T00:00Z")
    with pytest.raises(ClockError, match=r"written until 2013-02-01T09:00:0\dZ.*FORCE=1"):
        service_clock.move(folder, "2013-01-01T00:00Z")
    assert ServiceClock(folder).now().month == 2
    said = service_clock.move(folder, "2013-01-01T00:00Z", force=True)
    assert "backwards, past data" in said
    assert ServiceClock(folder).now().month == 1


def test_the_newest_write_counts(folder: DataFolder) -> None:
    service_clock.move(folder, "2013-05-01T00:00Z")
    ServiceClock(folder).note_write()
    service_clock.move(folder, "2013-04-01T00:00Z", force=True)
    ServiceClock(folder).note_write()
    written = ServiceClock(folder).last_write()
    assert written is not None
    assert written.month == 5


@pytest.mark.parametrize("text", ["yesterday", "2013-02-01T09:00", "2013-13-01T09:00Z", "9"])
def test_what_is_no_instant_is_reported_in_one_sentence(folder: DataFolder, text: str) -> None:
    with pytest.raises(ClockError, match=r"is not an instant such as"):
        service_clock.move(folder, text)


@pytest.mark.parametrize("text", ["0001-01-01T00:00+14:00", "1969-12-31T23:59Z", "9999-12-31T23:59:58Z"])
def test_the_clock_stays_where_the_service_can_live(folder: DataFolder, text: str) -> None:
    with pytest.raises(ClockError, match="from 1980 to 2999"):
        service_clock.move(folder, text, force=True)
    assert not folder.clock.exists()
