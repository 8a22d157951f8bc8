"""The service as a caller sees it, on a deployment of its own in process, at a time of the test's choosing."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib import clock
from chalicelib.access import api_keys, rules
from chalicelib.request_context import Actor, RequestContext
from tests.aws import TABLE, client
from tests.integration.api.gateway import Answer, send

START = datetime(2026, 1, 31, 9, tzinfo=UTC)
ENTITY = {
    "name": "Acme",
    "colour": "#0b5fff",
    "sender_email": "billing@acme.example",
    "locale": "en-GB",
    "time_zone": "Europe/London",
}


class Clock:
    """A clock that stops until it is moved."""

    def __init__(self) -> None:
        self.now = START
        clock.set_clock_source(lambda: self.now)

    def move(self, **span: float) -> None:
        """Move on by a span such as ``minutes=5``."""
        self.now += timedelta(**span)


@dataclass
class Service:
    """A caller with an API key, and a clock."""

    token: str
    clock: Clock

    @classmethod
    def start(cls) -> "Service":
        """Make a caller who may do everything."""
        at = Clock()
        made = cls("", at)
        made.token = made.another_key("billing")
        # The first use of a key is recorded in the table; later ones of the hour are not.
        api_keys.authenticate(made.token, at.now)
        return made

    def another_key(self, name: str) -> str:
        """Return the token of another principal that may do everything."""
        return api_keys.create(self.context, name, list(rules.SCOPES))[1]

    @property
    def context(self) -> RequestContext:
        """The circumstances of what a test asks a service itself, as staff."""
        return RequestContext(Actor("staff", "s1", "Sam"), self.clock.now, "test-correlation")

    def ask(self, method: str, path: str, body: Any = None, token: str | None = None, **headers: str) -> Answer:
        """Send a request; ``if_match="1"`` becomes the header ``If-Match: "1"``, ``idempotency_key`` its own."""
        sent = {
            name.replace("_", "-"): f'"{value}"' if name == "if_match" else value for name, value in headers.items()
        }
        return send(method, f"/v1{path}", token=token or self.token, body=body, headers=sent)

    def get(self, path: str) -> Any:
        """Read; it must be there."""
        answer = self.ask("GET", path)
        assert answer.status == 200, answer.text
        return answer.json

    def put(self, path: str, **body: Any) -> Any:
        """PUT what must be accepted."""
        answer = self.ask("PUT", path, body)
        assert answer.status in (200, 201), answer.text
        return answer.json

    def patch(self, path: str, **body: Any) -> Any:
        """PATCH, with the newest version, what must be accepted."""
        answer = self.ask("PATCH", path, body, if_match=str(self.get(path)["version"]))
        assert answer.status == 200, answer.text
        return answer.json

    def all_of(self, path: str, limit: int = 100) -> list[Any]:
        """Read a list to its end."""
        found: list[Any] = []
        joint = "&" if "?" in path else "?"
        address = f"{path}{joint}limit={limit}"
        cursor = ""
        for _ in range(200):
            page = self.get(address + cursor)
            assert len(page["items"]) <= limit
            found += page["items"]
            if page["next_cursor"] is None:
                return found
            cursor = f"&cursor={page['next_cursor']}"
        raise AssertionError("The list has no end.")

    def entity(self, entity_id: str = "acme", **fields: Any) -> str:
        """Make an issuing entity."""
        self.put(f"/entities/{entity_id}", **{**ENTITY, **fields})
        return entity_id

    def account(self, account_id: str = "a1", **fields: Any) -> str:
        """Make an account of the entity acme, which must be there."""
        self.put(f"/accounts/{account_id}", **{"entity_id": "acme", "name": "Customer", "currency": "EUR", **fields})
        return f"/accounts/{account_id}"

    def contact(self, account: str, name: str, *roles: str, **fields: Any) -> Any:
        """Add a person to the account at the path ``account``."""
        email = f"{name.lower()}@example.com"
        body = {"first_name": name, "last_name": "Test", "email": email, "roles": list(roles), **fields}
        answer = self.ask("POST", f"{account}/contacts", body)
        assert answer.status == 201, answer.text
        return answer.json

    def bill_group(self, bill_group_id: str, account: str, **fields: Any) -> str:
        """Make a bill group of the account at the path ``account``."""
        ids = {"account_id": account.rsplit("/", 1)[-1], "entity_id": "acme"}
        self.put(f"/bill-groups/{bill_group_id}", **{**ids, "name": "Group", **fields})
        return f"/bill-groups/{bill_group_id}"


def rows() -> list[dict[str, Any]]:
    """Return every row of the table, in order."""
    found: list[dict[str, Any]] = []
    start: dict[str, Any] = {}
    while True:
        page = client("dynamodb").scan(TableName=TABLE, **start)
        found += page["Items"]
        if "LastEvaluatedKey" not in page:
            return sorted(found, key=lambda row: (row["PK"]["S"], row["SK"]["S"]))
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def code(answer: Answer) -> tuple[int, str]:
    """Return the status and the code of a refusal."""
    return answer.status, answer.json["code"]


def faults(answer: Answer) -> list[tuple[str, str]]:
    """Return the fields at fault with their codes."""
    assert answer.status in (409, 422), answer.text
    return [(fault["field"], fault["code"]) for fault in answer.json["errors"]]
