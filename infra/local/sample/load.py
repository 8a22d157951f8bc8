"""Load the sample data through the API, as a billing system would. Loading again changes nothing."""

import base64
import json
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from infra.local.sample import load_invoices, logo

_FOLDER = Path(__file__).parent
_ACCOUNTS = ("accounts-americas.yaml", "accounts-europe.yaml", "accounts-asia.yaml")
_POLICY, _TEMPLATES = "reminder_policy", "reminder_templates"
_DAYS = re.compile(r"([+-]\d+)d")
_ROLES = {"i": "invoicing", "p": "accounts_payable"}
_ROLE_FIELDS = {"invoicing": "invoicing_contact_ids", "payable": "accounts_payable_contact_ids"}
_CONTACT_FIELDS = {"billing": "billing_contact_id", "shipping": "shipping_contact_id"}
_CONTACT_MAILS = ("contact_added", "role_changed", "contact_removed")
_DONE_BEFORE = {"email_taken", "external_id_taken", "contact_is_inactive", "access_rule_exists"}

USER_AGENT = "counterfoil-local-run"

Data = dict[str, Any]

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class SampleError(Exception):
    """The sample data cannot be loaded; the message is for the user."""


@dataclass(frozen=True)
class Sample:
    """The sample data of the files."""

    entities: dict[str, Data]
    accounts: dict[str, Data]
    invoices: Data

    @classmethod
    def read(cls, today: date) -> "Sample":
        """Read it; dates count from ``today``."""
        accounts = {name: one for file in _ACCOUNTS for name, one in _read(file, today).items()}
        return cls(_read("entities.yaml", today), accounts, _read("invoices.yaml", today))

    def history(self) -> list[load_invoices.Event]:
        """Return the events of its invoices and payments, in order of days."""
        groups: dict[str, Data] = {}
        for account_id, content in self.accounts.items():
            owner = {name: content["account"][name] for name in ("entity_id", "currency")}
            groups |= {group_id: {"account_id": account_id, **owner} for group_id in content["bill_groups"]}
        return load_invoices.history(self.invoices, groups)


def everything(url: str, api_key: str, today: date) -> int:
    """Load everything through the API at ``url`` and return the number of records.

    Dates count from ``today``. No email is sent; it returns when the PDFs of all invoices exist. Raises SampleError.
    """
    api, sample = Api(url, api_key), Sample.read(today)
    count = customers(api, sample) + load_invoices.everything(api, sample.history())
    for entity_id, entity in sample.entities.items():
        own = {name: value for name, value in entity.items() if name not in (_POLICY, _TEMPLATES)}
        api.put(f"/v1/entities/{entity_id}", {**own, "contact_mails": dict.fromkeys(_CONTACT_MAILS, True)})
    if not load_invoices.wait_for_pdfs(api, sample.invoices):
        raise SampleError("the PDFs of its invoices are not made; see the logs of the workers")
    return count


def customers(api: "Api", sample: Sample) -> int:
    """Load the issuing entities, and the accounts with everything except invoices; contacts get no email.

    Returns the number of records.
    """
    for entity_id, entity in sample.entities.items():
        later = {_POLICY, _TEMPLATES, *_pilots(entity)}
        own = {name: value for name, value in entity.items() if name not in later}
        api.put(f"/v1/entities/{entity_id}", {**own, "contact_mails": dict.fromkeys(_CONTACT_MAILS, False)})
        for template_id, texts in entity.get(_TEMPLATES, {}).items():
            api.put(f"/v1/reminder-templates/{entity_id}/{template_id}", {"texts": texts})
        if _POLICY in entity:
            api.put(f"/v1/reminder-policies/{entity_id}", entity[_POLICY])
        image = base64.b64encode(logo.png(entity["colour"])).decode()
        api.put(f"/v1/entities/{entity_id}/logo", {"image": image})
    count = sum(_load_account(api, account_id, content) for account_id, content in sample.accounts.items())
    for entity_id, entity in sample.entities.items():
        if pilots := _pilots(entity):
            api.put(f"/v1/entities/{entity_id}", pilots)
    return len(sample.entities) + count


def _pilots(entity: Data) -> Data:
    """Return the fields of an entity that name accounts, which must exist first."""
    return {name: value for name, value in entity.items() if isinstance(value, dict) and "pilot_account_ids" in value}


def _load_account(api: "Api", account_id: str, content: Data) -> int:
    api.put(f"/v1/accounts/{account_id}", content["account"])
    contacts = {
        name: api.create_contact(account_id, f"{account_id}.{name}", contact)
        for name, contact in content["contacts"].items()
    }
    for group_id, group in content["bill_groups"].items():
        body = {name: value for name, value in group.items() if name not in {"rules", *_ROLE_FIELDS, *_CONTACT_FIELDS}}
        body |= {field: contacts[group[name]] for name, field in _CONTACT_FIELDS.items() if name in group}
        body |= {field: [contacts[one] for one in group[name]] for name, field in _ROLE_FIELDS.items() if name in group}
        owner = {"account_id": account_id, "entity_id": content["account"]["entity_id"]}
        api.put(f"/v1/bill-groups/{group_id}", {**owner, **body})
    for group_id, subscriptions in content["subscriptions"].items():
        for subscription_id, subscription in subscriptions.items():
            api.put(f"/v1/bill-groups/{group_id}/subscriptions/{subscription_id}", subscription)
    for name, contact in content["contacts"].items():
        if contact.get("gone"):
            api.call("DELETE", f"/v1/accounts/{account_id}/contacts/{contacts[name]}", None, f"gone.{contacts[name]}")
    rules = [
        (group_id, value) for group_id, group in content["bill_groups"].items() for value in group.get("rules", ())
    ]
    for group_id, value in rules:
        api.call("POST", f"/v1/bill-groups/{group_id}/access-rules", {"value": value}, f"sample.{group_id}.{value}")
    for name, contact in content["contacts"].items():
        path = f"/v1/accounts/{account_id}/contacts/{contacts[name]}/access"
        if "enters" in contact:
            api.put(path, {"bill_groups": {group_id: {} for group_id in contact["enters"]}})
        if contact.get("owner"):
            api.put(f"/v1/accounts/{account_id}/owner", {"contact_id": contacts[name]})
    subscriptions_count = sum(map(len, content["subscriptions"].values()))
    return 1 + len(contacts) + len(content["bill_groups"]) + subscriptions_count


class Api:
    """The API calls that the sample needs."""

    def __init__(self, url: str, api_key: str) -> None:
        """Call the API at ``url`` with the key."""
        self._url = url
        self._headers = {
            "Authorization": f"Bearer {api_key}",
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
        }

    def put(self, path: str, body: Data) -> Data:
        """PUT a record and return it."""
        return self.call("PUT", path, body, None)

    def get(self, path: str) -> Data:
        """GET a record."""
        return self.call("GET", path, None, None)

    def create_contact(self, account_id: str, external_id: str, contact: Data) -> str:
        """Return the id of the contact, which is created if it does not exist."""
        body = {name: value for name, value in contact.items() if name not in {"roles", "gone", "enters", "owner"}}
        body |= {"external_id": external_id, "roles": [_ROLES[letter] for letter in contact["roles"]]}
        reply = self.call("POST", f"/v1/accounts/{account_id}/contacts", body, f"sample.{external_id}")
        contact_id: str = reply["contact_id"]
        return contact_id

    def call(
        self, method: str, path: str, body: Data | None, idempotency_key: str | None, version: int | None = None
    ) -> Data:
        """Send a request and return the reply; for a contact that was loaded before, that of the conflict."""
        headers = dict(self._headers)
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        if idempotency_key:
            headers["Idempotency-Key"] = quote(idempotency_key)
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        request = urllib.request.Request(f"{self._url}{path}", content, headers, method=method)
        try:
            with _direct.open(request, timeout=60) as response:
                text = response.read()
        except urllib.error.HTTPError as error:
            text = error.read()
            problem = json.loads(text)
            if problem.get("code") not in _DONE_BEFORE:
                told = f"{method} {path} was answered {error.code}: {text.decode()}"
                raise SampleError(told) from error
            details: Data = problem.get("details", {})
            return details
        except OSError as error:
            raise SampleError(f"{method} {path} was not answered: {error}") from error
        reply: Data = json.loads(text) if text else {}
        return reply


def _read(name: str, today: date) -> Data:
    content: Data = _dated(yaml.safe_load((_FOLDER / name).read_text(encoding="utf-8")), today)
    return content


def _dated(value: Any, today: date) -> Any:
    """Replace ``+12d`` by the date twelve days after ``today``, everywhere in ``value``."""
    if isinstance(value, dict):
        return {key: _dated(inner, today) for key, inner in value.items()}
    if isinstance(value, list):
        return [_dated(inner, today) for inner in value]
    found = _DAYS.fullmatch(value) if isinstance(value, str) else None
    return (today + timedelta(days=int(found[1]))).isoformat() if found else value
