"""The clock of the local service. ``make clock AT=2013-02-01T09:00Z`` sets it; time runs on from there.

A small file holds the offset to the machine's clock; every process of the service reads it whenever it needs the
time.
"""

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from chalicelib import clock
from infra.local.folder import DataFolder, read_json, write, write_json

_YEARS = range(1980, 3000)
"""Ids start in 1970 and dates end in 9999; the service looks some way back and ahead of its time."""


class ClockError(Exception):
    """The clock was not moved; the message is for the user."""


class ServiceClock:
    """The machine's clock plus an offset, which is read again when its file has changed."""

    def __init__(self, folder: DataFolder) -> None:
        """Read the offset of the folder; none means the machine's time."""
        self._file = folder.clock
        self._last_write = folder.last_write
        self._seen: tuple[int, int] | None = None
        self._distance = timedelta()

    def now(self) -> datetime:
        """Return the time of the service, aware UTC."""
        try:
            found = os.stat(self._file)
        except FileNotFoundError:
            self._seen, self._distance = None, timedelta()
        else:
            seen = (found.st_mtime_ns, found.st_ino)
            if seen != self._seen:
                self._distance = timedelta(seconds=read_json(self._file)["seconds_from_machine_clock"])
                self._seen = seen
        return datetime.now(UTC) + self._distance

    def install(self) -> "ServiceClock":
        """Use this clock in the whole process."""
        clock.set_clock_source(self.now)
        return self

    def set(self, at: datetime | None) -> None:
        """Set the clock to ``at``; None returns it to the machine's time."""
        if at is None:
            self._file.unlink(missing_ok=True)
            return
        distance = (at - datetime.now(UTC)).total_seconds()
        write_json(self._file, {"seconds_from_machine_clock": distance})

    def note_write(self) -> None:
        """Record a write at the current time, unless a later one is recorded."""
        now = self.now()
        known = self.last_write()
        if known is None or now > known:
            write(self._last_write, now.isoformat())

    def last_write(self) -> datetime | None:
        """Return the time of the latest write, by the clock of the service."""
        try:
            return datetime.fromisoformat(self._last_write.read_text(encoding="ascii"))
        except FileNotFoundError:
            return None


def move(folder: DataFolder, text: str, *, force: bool = False) -> str:
    """Set the clock to ``text``, an ISO 8601 instant or ``now``, and return the message about it.

    Raises ClockError for other texts, and when the clock would run backwards past written data unless forced.
    """
    service = ServiceClock(folder)
    before = service.now()
    at = None if text == "now" else _instant(text)
    target = at or datetime.now(UTC)
    written = service.last_write()
    backwards = written is not None and target < written
    if backwards and not force:
        raise ClockError(
            f"Data was written until {_shown(written)}, and {_shown(target)} is before that; "
            "the clock stays. Go back all the same with FORCE=1."
        )
    service.set(at)
    said = f"The clock stood at {_shown(before)} and now stands at {_shown(target)}."
    if backwards:
        said += f" That is backwards, past data that was written until {_shown(written)}."
    elif target < before:
        said += " That is backwards; nothing but the sample data was written later than that."
    return said


def main() -> int:
    """Show the clock, or move it to AT from the environment. The exit status is 1 when it was not moved."""
    folder = DataFolder.chosen()
    at = os.environ.get("AT", "")
    if not at:
        print(f"The clock of {folder.root} stands at {_shown(ServiceClock(folder).now())}.")
        return 0
    try:
        folder.prepare()
        print(move(folder, at, force=os.environ.get("FORCE") == "1"))
    except Exception as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ClockError(f"AT={text} is not an instant such as 2013-02-01T09:00Z (or now).")
    if at.year not in _YEARS:
        raise ClockError(f"AT={text} is out of reach: the service lives from {_YEARS[0]} to {_YEARS[-1]}.")
    return at.astimezone(UTC)


def _shown(at: datetime | None) -> str:
    return "never" if at is None else at.strftime("%Y-%m-%dT%H:%M:%SZ")


def for_folder(root: str | Path) -> ServiceClock:
    """Return the clock of the service on the folder ``root``."""
    return ServiceClock(DataFolder(Path(root)))


if __name__ == "__main__":
    sys.exit(main())
