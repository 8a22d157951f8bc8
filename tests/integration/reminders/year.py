"""A year of the sample data as it happened: what becomes of its invoices day by day, and the hourly run every hour.

The sample is dated so that steps fall on days on which clocks change: on Lord Howe Island on 5 April (us-1017), in
Newfoundland on 8 March (us-1004); on the others fall steps of invoices that get another due date (``DEFERRED``).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from infra.local.sample import load
from tests.integration.api.gateway import send
from tests.integration.reminders.house import House, Post
from tests.integration.service import Service

LOADED_ON = date(2026, 6, 17)
"""The day from which the sample's dates count."""
CLOCKS_CHANGE = {
    "Australia/Lord_Howe": (date(2026, 4, 5), date(2026, 10, 4)),
    "America/St_Johns": (date(2026, 3, 8), date(2026, 11, 1)),
    "Europe/Athens": (date(2026, 3, 29), date(2026, 10, 25)),
}
FIVE_ZONES = (*CLOCKS_CHANGE, "Asia/Kathmandu", "America/Sao_Paulo")
EVERY_DAY = ("lagoon-lodge", "old-lantern-books", "elaionas")
"""Accounts that are reminded on weekends and holidays too, as clocks change on Sundays."""
AUTUMN_CLOCKS_IN_ISRAEL = date(2026, 10, 25)
"""A Sunday, and so a business day there."""


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


_IN_MARCH, _IN_SEPTEMBER = _at("2026-03-10T12:00"), _at("2026-09-15T12:00")
DEFERRED = (
    (_IN_MARCH, "de-2005", date(2026, 3, 26)),
    (_IN_SEPTEMBER, "us-1041", date(2026, 9, 24)),
    (_IN_SEPTEMBER, "us-1004", date(2026, 10, 2)),
    (_IN_SEPTEMBER, "de-2005", date(2026, 9, 25)),
    (_IN_SEPTEMBER, "us-1038", date(2026, 10, 10)),
    (_IN_SEPTEMBER, "jp-0514", date(2026, 9, 20)),
    (_IN_SEPTEMBER, "us-1036", date(2026, 9, 22)),
    (_IN_SEPTEMBER, "de-2016", date(2026, 9, 25)),
    (_IN_SEPTEMBER, "us-1033", date(2026, 10, 27)),
    (_IN_SEPTEMBER, "us-1039", date(2026, 12, 20)),
)
"""Invoices that get another due date: the first five such that a step falls on a day on which clocks change."""
QUIET = ("2026-04-29", "2026-05-08")
"""A quiet spell of the Japanese entity."""
CLOSING_DAY = "2026-07-20"
"""Of the German entity."""
BOUNCES = "caiwu@qingshi.example"
"""The one contact for payables of its account; the address works again from 6 July on."""
BOUNCES_FOR_GOOD = "z.yildiz@moewenstein.example"
"""One of two."""
HELD = {
    "de-2012": (date(2026, 5, 19), date(2026, 5, 28)),
    "us-1024": (date(2026, 6, 4), date(2026, 6, 14)),
    "us-1036": (date(2026, 7, 6), date(2026, 7, 9)),
}
"""The days on which ``ACTIONS`` pause an invoice, or its bill group, or have its payment promised, and their ends."""
_NOON = time(12, tzinfo=UTC)
"""Then it is the same date everywhere."""
PAST_THE_HOUR = timedelta(minutes=45)
"""When the hourly run comes: where a morning begins half an hour early or late, it comes an hour early or late."""

Do = Callable[["Replay"], Any]


def _put(path: str, **body: Any) -> Do:
    return lambda replay: replay.ask("PUT", path, body)


def _end(path: str) -> Do:
    return lambda replay: replay.ask("DELETE", path)


def _defer(invoice_id: str, due: date) -> Do:
    return lambda replay: replay.service.patch(f"/invoices/{invoice_id}", due_date=due.isoformat())


def _close(replay: "Replay") -> None:
    days = [*replay.policy("lanternfield-de")["closing_days"], CLOSING_DAY]
    replay.ask("PUT", "/reminder-policies/lanternfield-de", {"closing_days": sorted(days)})


def _clear(replay: "Replay") -> None:
    replay.post.mend(BOUNCES)
    replay.house.invoke("ClearSuppression", {"email": BOUNCES, "confirm": True})


ACTIONS: tuple[tuple[datetime, Do], ...] = (
    (
        _at("2026-04-20T12:00"),
        _put(
            "/reminder-policies/lanternfield-jp",
            quiet_spells=[{"first": QUIET[0], "last": QUIET[1], "reason": "Inventory"}],
        ),
    ),
    # For good, and yet not.
    (_at("2026-05-19T12:00"), _put("/bill-groups/moewenstein-5100/reminder-pause", reason="Talks")),
    (_at("2026-05-29T04:00"), _end("/bill-groups/moewenstein-5100/reminder-pause")),
    (_at("2026-06-02T04:00"), _put("/entities/lanternfield-ch", reminder_mail={"mode": "live"})),
    (_at("2026-06-04T12:00"), _put("/invoices/us-1024/reminder-pause", until="2026-06-14")),
    (_at("2026-06-08T12:00"), lambda replay: replay.ask("POST", "/invoices/us-1033/reminder-skip")),
    # The Swiss billing system reports payments, falls silent, reports again, and gives it up.
    (_at("2026-06-08T12:00"), _put("/entities/lanternfield-ch/payments-as-of", as_of="2026-06-08T12:00:00Z")),
    (_at("2026-06-12T04:00"), _put("/entities/lanternfield-ch/payments-as-of", as_of="2026-06-12T04:00:00Z")),
    (_at("2026-06-12T12:00"), _put("/entities/lanternfield-ch/payments-as-of", as_of=None)),
    (_at("2026-07-01T12:00"), _close),
    (_at("2026-07-06T04:00"), _put("/invoices/us-1036/promise", on="2026-07-09")),
    (_at("2026-07-06T12:00"), _clear),
    (
        _at("2026-07-17T12:00"),
        _put("/invoices/us-1043/auto-pay-failure", failed_on="2026-07-16", reason="Card expired"),
    ),
    # More than all that Nakhla owes, without a word what for.
    (
        _at("2026-07-23T12:00"),
        _put(
            "/accounts/nakhla/payments/pay-us-9100",
            entity_id="lanternfield-us",
            currency="BHD",
            amount=9_000_000,
            received_on="2026-07-23",
            method="bank_transfer",
            reference="ط-204",
            allocations=[],
        ),
    ),
)
"""What happens besides what the sample says."""


@dataclass(frozen=True)
class Span:
    """Which part of the year, and whether of all accounts and hours."""

    first: date
    last: date
    whole: bool

    @property
    def end(self) -> datetime:
        """Return the last hour."""
        return datetime.combine(self.last, time(23), UTC)


YEAR = Span(date(2026, 1, 1), date(2026, 12, 31), whole=True)
AUTUMN = Span(date(2026, 9, 14), date(2026, 10, 6), whole=False)
"""Around the day on which the clocks of Lord Howe change; of five accounts, at the hours at which mornings begin."""


class _Api(load.Api):
    """The API in this process, for the code that loads the sample."""

    def __init__(self, token: str) -> None:
        self._token = token

    def call(self, method: str, path: str, body: load.Data | None, idempotency_key: str | None) -> load.Data:
        headers = {"idempotency-key": idempotency_key} if idempotency_key else None
        answer = send(method, path, token=self._token, body=body, headers=headers)
        assert answer.status < 300, (method, path, answer.text)
        return dict(answer.json) if answer.text else {}


@dataclass
class Replay:
    """The sample's vendor and customers through a span of the year."""

    span: Span
    service: Service
    house: House
    post: Post
    sample: load.Sample
    hours: int = 0
    swept: int = 0
    """Duties that were left lying about, for the sweeper to find."""

    @classmethod
    def start(cls, span: Span, post: Post) -> "Replay":
        """Load customers, whose reminders are live, on the first day."""
        service = Service.start()
        service.clock.now = datetime.combine(span.first, time(), UTC)
        made = cls(span, service, House(post), post, _chosen(span))
        load.customers(_Api(service.token), made.sample)
        for entity_id in made.sample.entities:
            if entity_id != "lanternfield-ch":
                service.put(f"/entities/{entity_id}", reminder_mail={"mode": "live"})
        for account_id in EVERY_DAY:
            service.put(f"/accounts/{account_id}/reminder-policy", business_days_only=False)
        post.bouncing |= {BOUNCES, BOUNCES_FOR_GOOD}
        made.house.settle()
        return made

    @cached_property
    def invoices(self) -> dict[str, tuple[load.Data, str]]:
        """Return each invoice of the sample by its id, and the id of its bill group."""
        listed = self.sample.invoices["invoices"].items()
        return {invoice["id"]: (invoice, group_id) for group_id, invoices in listed for invoice in invoices}

    def deferred(self) -> list[tuple[datetime, str, date]]:
        """Return when which invoices get another due date within the span."""
        known = self.invoices
        return [one for one in DEFERRED if self.span.first <= one[0].date() <= self.span.last and one[1] in known]

    @cached_property
    def mornings(self) -> set[tuple[ZoneInfo, time]]:
        """Return the time zones of the accounts, with the times at which reminders begin there."""
        owners = [one["account"] for one in self.sample.accounts.values()]
        return {
            (
                ZoneInfo(one["time_zone"]),
                time.fromisoformat(self.policy(one["entity_id"]).get("send_at", "09:00")),
            )
            for one in owners
        }

    def policy(self, entity_id: str) -> load.Data:
        """Return what an issuing entity has of its own of a reminder policy."""
        return dict(self.sample.entities[entity_id].get("reminder_policy", {}))

    def ask(self, method: str, path: str, body: Any = None) -> None:
        """Ask for what must be granted."""
        answer = self.service.ask(method, path, body)
        assert answer.status < 300, (method, path, answer.text)

    def live(self) -> None:
        """Live through the span: what happens at an hour comes before the run of that hour."""
        happenings = self._happenings()
        for at in self._instants({at for at, _ in happenings}):
            self.service.clock.now = at
            due = [do for when, do in happenings if when == at]
            for do in due:
                do(self)
            if due:
                self.house.settle()
            if self._is_run(at):
                self.service.clock.now = at + PAST_THE_HOUR
                self.hours += 1
                self.house.hour()
            if at.hour == _NOON.hour:
                self.swept += self.house.sweep()

    def _happenings(self) -> list[tuple[datetime, Do]]:
        """Return what happens, in order; what lies before the span happens on its first day, but for the actions."""
        api = _Api(self.service.token)
        found: list[tuple[datetime, Do]] = []
        for event in self.sample.history():
            day = max(date.fromisoformat(event.day), self.span.first)
            found.append((datetime.combine(day, _NOON), lambda _, event=event: event.happen(api)))
        actions = ACTIONS if self.span.whole else ()
        found += [*actions, *((at, _defer(invoice_id, due)) for at, invoice_id, due in self.deferred())]
        return sorted((one for one in found if one[0] <= self.span.end), key=lambda one: one[0])

    def _instants(self, happenings: set[datetime]) -> Iterator[datetime]:
        at = datetime.combine(self.span.first, time(), UTC)
        while at <= self.span.end:
            if self._is_run(at) or at in happenings or at.hour == _NOON.hour:
                yield at
            at += timedelta(hours=1)

    def _is_run(self, at: datetime) -> bool:
        """Tell whether there is a run in this hour: always, or where a morning has just begun or clocks change."""
        return self.span.whole or any(
            local.date() in CLOCKS_CHANGE.get(str(zone), ())
            or timedelta() <= local.replace(tzinfo=None) - datetime.combine(local.date(), begins) < timedelta(hours=1)
            for zone, begins in self.mornings
            for local in [(at + PAST_THE_HOUR).astimezone(zone)]
        )


def _chosen(span: Span) -> load.Sample:
    """Return the sample; unless all is wanted, the accounts of five time zones with what is theirs."""
    sample = load.Sample.read(LOADED_ON)
    # The replay sets the go-live stage; a pilot would name accounts that are not selected.
    entities = {
        entity_id: {name: value for name, value in one.items() if name != "reminder_mail"}
        for entity_id, one in sample.entities.items()
    }
    sample = replace(sample, entities=entities)
    if span.whole:
        return sample
    accounts = {name: one for name, one in sample.accounts.items() if one["account"]["time_zone"] in FIVE_ZONES}
    groups = {group_id for one in accounts.values() for group_id in one["bill_groups"]}
    invoices = {
        **sample.invoices,
        "invoices": {group_id: one for group_id, one in sample.invoices["invoices"].items() if group_id in groups},
        "payments": [one for one in sample.invoices["payments"] if one["account_id"] in accounts],
    }
    return replace(sample, accounts=accounts, invoices=invoices)
