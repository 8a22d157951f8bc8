"""Many at once with one link or one code, on the local engine, whose transactions are atomic (A4)."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.config import settings
from chalicelib.errors import CounterfoilError
from chalicelib.request_context import Actor, RequestContext
from chalicelib.sign_in import rules, service
from chalicelib.table import keys, store
from chalicelib.table.items import FlowItem, SessionItem
from chalicelib.tokens import sha256_hex
from tests.aws import forget
from tests.engine import engine, engine_environment

__all__ = ["engine", "engine_environment"]

pytestmark = pytest.mark.engine

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
CALL = RequestContext(Actor("nobody", "", ""), NOW, "race-0001")
LINK = rules.LINK_PREFIX + "l" * 43
ROUNDS = 3


@pytest.fixture
def table(engine_environment: dict[str, str]) -> Iterator[None]:
    forget()
    yield
    forget()


def flow_of(number: int) -> str:
    """Make a flow with a link and a code, and return its secret."""
    secret = rules.FLOW_PREFIX + f"{number:043d}"
    hashed = sha256_hex(secret)
    proof = {
        "link": sha256_hex(LINK),
        "code": rules.hash_code("BCDFGHJK", hashed, settings().signing_key),
        "until": keys.format_instant(NOW + timedelta(minutes=10)),
    }
    key = keys.flow(hashed)
    store.create_item(
        FlowItem(
            key.pk, key.sk, flow_id=f"flo_{number}", kind="portal_user", email="ada@customer.example",
            created_at=NOW, ends_at=NOW + timedelta(minutes=20), proofs=[proof], bill_groups=[["b1", "a1"]],
        )
    )  # fmt: skip
    return secret


def at_once(times: int, action: Callable[[int], Any]) -> Counter[str]:
    """Run it in many threads at the same moment, and count the results."""
    barrier = threading.Barrier(times)

    def run(number: int) -> str:
        barrier.wait()
        try:
            action(number)
        except CounterfoilError as error:
            return error.fields[0].code if error.fields else error.code
        return "opened"

    with ThreadPoolExecutor(times) as pool:
        return Counter(pool.map(run, range(times)))


def sessions() -> int:
    page = store.query_items_by_index(keys.session_listed("ada@customer.example", "").pk, limit=100)
    return len([item for item in page.items if isinstance(item, SessionItem)])


def test_of_32_threads_with_one_link_one_opens_a_session(table: None) -> None:
    for number in range(ROUNDS):
        secret = flow_of(number)
        outcome = at_once(32, lambda _, secret=secret: service.redeem_link(CALL, [secret], LINK))  # type: ignore[misc]
        assert outcome == {"opened": 1, "link_used": 31}
        assert sessions() == number + 1


def test_of_50_guesses_at_once_at_most_five_are_checked(table: None) -> None:
    for number in range(ROUNDS):
        secret = flow_of(number)
        outcome = at_once(50, lambda guess, secret=secret: service.redeem_code(CALL, [secret], f"2222{guess:04d}"))  # type: ignore[misc]
        assert outcome == {"wrong_code": 5, "no_tries_left": 45}
        with pytest.raises(CounterfoilError) as refusal:
            service.redeem_code(CALL, [secret], "BCDFGHJK")
        assert refusal.value.code == "no_tries_left"
    assert sessions() == 0


def test_of_many_with_the_right_code_one_opens_a_session(table: None) -> None:
    secret = flow_of(0)
    outcome = at_once(16, lambda _: service.redeem_code(CALL, [secret], "bcdf-ghjk"))
    assert outcome == {"opened": 1, "link_used": 15}
    assert sessions() == 1
