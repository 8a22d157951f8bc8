"""Cause one email of every kind, through the API and the pages, so that the inbox of a first start shows them all."""

import re
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

from infra.local.sample.load import USER_AGENT, Api, SampleError

KINDS = frozenset(
    {
        "contact_added",
        "contact_removed",
        "invoice",
        "password_changed",
        "password_reset",
        "reminder",
        "reminder_run_waits",
        "reply_received",
        "role_changed",
        "role_unreachable",
        "sign_in",
        "statement",
        "temporary_password",
        "user_name_given",
    }
)
"""Every kind of email; a test compares them with the templates. An email that says from when an address may sign in has
the kind ``sign_in`` too."""
PORTAL_EMAIL = "maya@harbor-light.example"
"""A contact of the sample who may sign in to the portal, and owns it."""
_ENTITY, _ACCOUNT, _BILL_GROUP = "lanternfield-us", "harbor-light", "harbor-light-hq"
_BOUNCING_ACCOUNT = "old-lantern-books"
_REMINDED_ACCOUNT, _REMINDED_AT = "lagoon-lodge", "T06:00:00Z"
_WAITING_ACCOUNTS, _WAITING_AT = frozenset({"alon", "nakhla"}), "T12:00:00Z"
"""Accounts that are reminded on the same day, and an afternoon where they are."""
_DELAYED_EMAIL = "haruka@midorino.example"
_AGENT_EMAIL = "kim@vendor.example"
_CHOSEN = "harbor lantern 48 seats"
"""A temporary password that staff choose."""
_PLAN_DAYS = 60
_WAIT_SECONDS = 60.0
_PAUSE_SECONDS = 0.3
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))

Data = dict[str, Any]
Invoke = Callable[[str, Data], Any]


class FirstEmails:
    """What vendor, customers and staff of the sample do on a first day."""

    def __init__(self, url: str, api_key: str, invoke: Invoke) -> None:
        """Act with the API key, and by ``invoke``, which invokes a console function."""
        self._url = url
        self._api = Api(url, api_key)
        self._invoke = invoke

    def send(self, today: date) -> int:
        """Cause every kind of email, wait until all are in the inbox and return their number. Raises SampleError."""
        self._issue_invoice(today)
        self._change_contacts()
        self._sign_in()
        self._use_passwords()
        self._let_an_address_bounce()
        self._remind(today)
        self._wait(lambda messages: {one["tags"]["kind"] for one in messages} >= KINDS)
        return len(self._messages())

    def _issue_invoice(self, today: date) -> None:
        body = {
            "bill_group_id": _BILL_GROUP,
            "number": "US-1050",
            "issue_date": today.isoformat(),
            "currency": "USD",
            "lines": [{"description": "Team plan, added seats", "quantity": "6", "unit_price": "19"}],
            "total": 11400,
        }
        self._api.put("/v1/invoices/us-1050", body)

    def _change_contacts(self) -> None:
        contact = {"first_name": "Noor", "last_name": "Haddad", "email": "noor@harbor-light.example", "roles": "p"}
        contact_id = self._api.create_contact(_ACCOUNT, f"{_ACCOUNT}.noor", contact)
        path = f"/v1/accounts/{_ACCOUNT}/contacts/{contact_id}"
        version = self._api.get(path)["version"]
        self._api.call("PATCH", path, {"roles": ["invoicing"]}, None, version)
        self._newest("role_changed")
        self._api.call("DELETE", path, None, f"gone.{contact_id}")

    def _sign_in(self) -> None:
        """Ask for a link to the portal, and for one that works only from tomorrow on.

        Neither is asked for ``PORTAL_EMAIL``, which would then have to wait a minute for its next one (A5).
        """
        for email in ("theo@harbor-light.example", _DELAYED_EMAIL):
            self._api.call("POST", "/v1/sign-in", {"email": email}, None)
            self._newest("sign_in", to=email)

    def _use_passwords(self) -> None:
        staff = self._sign_in_staff()
        people = {one["email"]: one for one in self._api.get(f"/v1/accounts/{_ACCOUNT}/contacts")["items"]}
        theo, rosa = people["theo@harbor-light.example"], people["rosa@ledger-partners.example"]
        path = f"/v1/accounts/{_ACCOUNT}/contacts"
        staff.put(f"{path}/{rosa['contact_id']}/credentials", {"user_name": "rosa.castellanos"})
        staff.put(
            f"{path}/{theo['contact_id']}/credentials", {"user_name": "theo.lindqvist", "temporary_password": _CHOSEN}
        )
        self._newest("user_name_given")
        own = {"user_name": "theo.lindqvist", "current_password": _CHOSEN, "password": "seven quiet lanterns"}
        self._api.call("POST", "/v1/passwords", own, None)
        self._api.call("POST", "/v1/password-resets", {"user_name": "theo.lindqvist"}, None)

    def _sign_in_staff(self) -> Api:
        agent = {"email": _AGENT_EMAIL, "name": "Kim Osei", "role": "agent", "confirm": True}
        self._invoke("create_staff_member", agent)
        flow = self._api.call("POST", "/v1/sign-in", {"email": _AGENT_EMAIL, "kind": "staff"}, None)["flow"]
        link = _found(r"cl_[\w-]+", self._newest("sign_in", to=_AGENT_EMAIL))
        token = self._api.call("POST", "/v1/sessions", {"flow": flow, "link": link}, None)["token"]
        return Api(self._url, token)

    def _let_an_address_bounce(self) -> None:
        """Email a statement to the only holder of a role, and let it bounce."""
        contact = self._api.get(f"/v1/accounts/{_BOUNCING_ACCOUNT}/contacts")["items"][0]
        body = {"send_to": [contact["contact_id"]]}
        self._api.call("POST", f"/v1/accounts/{_BOUNCING_ACCOUNT}/statements", body, f"sample.{_BOUNCING_ACCOUNT}")
        message = self._newest("statement")
        self._post(f"/inbox/messages/{message['id']}/bounce", {})

    def _remind(self, today: date) -> None:
        """Send one reminder ahead of its day and reply to it; then let a run of two accounts wait for approval."""
        plan = self._invoke("plan_reminders", {"days": _PLAN_DAYS, "entity_id": _ENTITY})["by_day"]
        day, digests = _first_day(plan, {_REMINDED_ACCOUNT})
        self._run(f"{day}{_REMINDED_AT}", account_id=_REMINDED_ACCOUNT)
        reply = _found(r"/portal/reply/[\w-]+", self._newest("reminder"))
        invoices = {f"invoice-{name}": "on" for name in re.findall(r"\((us-\d+)\)", str(digests))}
        self._post(f"{reply}/promised", {"on": (today + timedelta(days=3)).isoformat(), **invoices})
        with self._run_limit(1):
            self._run(f"{_first_day(plan, _WAITING_ACCOUNTS)[0]}{_WAITING_AT}")

    def _run(self, as_of: str, **only: str) -> None:
        event = {"as_of": as_of, "entity_id": _ENTITY, "confirm": True, **only}
        answer = self._invoke("send_due_reminders", event)
        if not answer["ok"]:
            raise SampleError(f"no reminder could be sent: {answer}")

    @contextmanager
    def _run_limit(self, accounts: int) -> Iterator[None]:
        path = f"/v1/reminder-policies/{_ENTITY}"
        before = self._api.get(path)["own"].get("run_limit")
        self._api.put(path, {"run_limit": accounts})
        try:
            yield
        finally:
            self._api.put(path, {"run_limit": before})

    def _post(self, path: str, form: dict[str, str]) -> None:
        """Send a form as a page of ours does."""
        headers = {"Origin": self._url, "User-Agent": USER_AGENT}
        content = urllib.parse.urlencode(form).encode()
        try:
            _direct.open(urllib.request.Request(f"{self._url}{path}", content, headers), timeout=30).close()
        except OSError as error:
            raise SampleError(f"POST {path} was refused: {error}") from error

    def _messages(self) -> list[Data]:
        found: list[Data] = self._api.get("/inbox/messages.json")["messages"]
        return found

    def _newest(self, kind: str, to: str | None = None) -> Data:
        def of_kind(messages: list[Data]) -> list[Data]:
            return [one for one in messages if one["tags"]["kind"] == kind and to in (None, *one["to"])]

        return of_kind(self._wait(lambda messages: bool(of_kind(messages))))[0]

    def _wait(self, ready: Callable[[list[Data]], bool]) -> list[Data]:
        deadline = time.monotonic() + _WAIT_SECONDS
        while not ready(messages := self._messages()):
            if time.monotonic() > deadline:
                missing = sorted(KINDS - {one["tags"]["kind"] for one in messages})
                raise SampleError(f"these kinds of email are not in the inbox: {', '.join(missing)}")
            time.sleep(_PAUSE_SECONDS)
        return messages


def _first_day(plan: Data, accounts: frozenset[str] | set[str]) -> tuple[str, list[Data]]:
    """Return the first day of a plan on which all ``accounts`` are reminded, and its digests."""
    for day, digests in plan.items():
        if accounts <= {one["account"].partition(" ")[0] for one in digests if one["outcome"] == "mailed"}:
            return day, digests
    raise SampleError(f"no reminder of {', '.join(sorted(accounts))} is planned")


def _found(pattern: str, message: Data) -> str:
    found = re.search(pattern, message["text"])
    if found is None:
        raise SampleError(f"the email {message['subject']} has no {pattern}")
    return found.group()
