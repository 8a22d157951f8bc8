"""The calendar of an account: its country's weekends and public holidays, less what staff have closed (R4).

Holidays come from the ``holidays`` library. Where it does not know a subdivision, the country's hold; where it does not
know the country, Saturday and Sunday are the weekend and no day is a holiday.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays

from chalicelib.reminders.policy.rules import Calendar, ReminderPolicy

_USUAL_WEEKEND = frozenset({5, 6})
_YEARS_AROUND = 2


@dataclass(frozen=True)
class _CountryDays:
    weekend: frozenset[int]
    worked: frozenset[date]
    holidays: frozenset[date]


def account_calendar(country: str | None, subdivision: str | None, policy: ReminderPolicy, today: date) -> Calendar:
    """Return the calendar of an account of ``country`` and ``subdivision`` (ISO 3166), two years either side of today.

    A policy that is not for business days only keeps its closing days and quiet spells.
    """
    known = _CountryDays(frozenset(), frozenset(), frozenset())
    if policy.business_days_only:
        known = _country_days(country or "", (subdivision or "").partition("-")[2], today.year)
    return Calendar(
        weekend=known.weekend,
        worked=known.worked,
        holidays=known.holidays,
        closing_days=frozenset(policy.closing_days),
        quiet_spells=policy.quiet_spells,
    )


@lru_cache(maxsize=512)
def _country_days(country: str, subdivision: str, year: int) -> _CountryDays:
    years = range(year - _YEARS_AROUND, year + _YEARS_AROUND + 1)
    for region in dict.fromkeys((subdivision or None, None)):
        try:
            found = holidays.country_holidays(country, subdiv=region, years=years)
        except NotImplementedError:
            continue
        # Some subdivisions have a weekend of their own, and some countries have changed theirs.
        week = (date(year, 1, day) for day in range(1, 8))
        weekend = frozenset(day.weekday() for day in week if found.is_weekend(day))
        return _CountryDays(weekend, frozenset(found.weekend_workdays), frozenset(found))
    return _CountryDays(_USUAL_WEEKEND, frozenset(), frozenset())


def sending_starts_at(day: date, send_at: str, time_zone: str) -> datetime:
    """Return the instant (UTC) from which reminders of the local ``day`` are sent, ``send_at`` being ``HH:MM``.

    Where clocks are put forward over that time, it is as long after midnight as it would be without; where they are
    put back over it, it is the first of the two.
    """
    local = datetime.combine(day, time.fromisoformat(send_at), ZoneInfo(time_zone))
    return local.astimezone(UTC)
