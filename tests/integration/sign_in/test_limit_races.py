"""Many requests at once against each limit of A5, on the local engine, whose transactions are atomic."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.errors import CounterfoilError
from chalicelib.passwords import own_password
from chalicelib.request_context import Actor, RequestContext
from chalicelib.sessions.known_browsers import recognise_browser, remember_browser
from chalicelib.sessions.request_limits import MailAllowance
from chalicelib.sign_in import service
from chalicelib.table import keys, store
from chalicelib.table.items import UserNameItem
from tests.aws import forget
from tests.engine import engine, engine_environment

__all__ = ["engine", "engine_environment"]

pytestmark = pytest.mark.engine

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
CALL = RequestContext(Actor("nobody", "", ""), NOW, "race-0001")
IP = "192.0.2.1"
ADA = "ada@customer.example"
AT_ONCE = 12


@pytest.fixture
def table(engine_environment: dict[str, str]) -> Iterator[None]:
    forget()
    yield
    forget()


def told(times: int, action: Callable[[int], Any]) -> Counter[str]:
    """Run it ``times``, 12 at the same moment, and count what each was told."""

    def run(number: int) -> str:
        try:
            return "spent" if action(number) is False else "taken"
        except CounterfoilError as error:
            return error.code

    barrier = threading.Barrier(AT_ONCE)

    def work(first: int) -> list[str]:
        barrier.wait()
        return [run(number) for number in range(first, times, AT_ONCE)]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return Counter(one for results in pool.map(work, range(AT_ONCE)) for one in results)


def test_sign_in_requests_of_one_network(table: None) -> None:
    outcome = told(48, lambda number: service.request_sign_in(CALL, f"p{number}@else.example", source_ip=IP))
    assert outcome == {"taken": 30, "too_many_sign_ins": 18}


def test_sign_in_requests_of_one_known_browser(table: None) -> None:
    browser = recognise_browser(remember_browser(None, ADA, NOW), NOW)
    outcome = told(48, lambda _: service.request_sign_in(CALL, ADA, source_ip=IP, browser=browser))
    assert outcome == {"taken": 30, "too_many_sign_ins": 18}
    service.request_sign_in(CALL, ADA, source_ip=IP)


def test_reset_requests_of_one_network(table: None) -> None:
    outcome = told(48, lambda number: own_password.request_password_reset(CALL, f"name{number}", source_ip=IP))
    assert outcome == {"taken": 30, "too_many_resets": 18}


def test_tries_of_one_network_with_as_many_user_names(table: None) -> None:
    outcome = told(
        48, lambda number: own_password.open_password_session(CALL, f"name{number}", "wrong", None, source_ip=IP)
    )
    assert outcome == {"wrong_password": 30, "too_many_tries": 18}


def test_tries_of_one_known_browser(table: None) -> None:
    key = keys.user_name("ada")
    store.create_item(
        UserNameItem(key.pk, key.sk, user_name="ada", account_id="a1", contact_id="con_1", email=ADA)
    )  # fmt: skip
    browser = recognise_browser(remember_browser(None, ADA, NOW), NOW)

    def attempt(number: int) -> Any:
        return own_password.open_password_session(CALL, "ada", f"wrong {number}", None, source_ip=IP, browser=browser)

    assert told(24, attempt) == {"wrong_password": 5, "too_many_tries": 19}
    with pytest.raises(CounterfoilError) as refused:
        own_password.open_password_session(CALL, "ada", "wrong", None, source_ip=IP)
    assert refused.value.code == "wrong_password"


@pytest.mark.parametrize(("browsers", "taken"), [((None,), 1), (("b1",), 1), (tuple(f"b{n}" for n in range(16)), 10)])
def test_emails_to_one_mailbox(table: None, browsers: tuple[str | None, ...], taken: int) -> None:
    """One a minute for strangers and for each known browser, ten an hour for all known browsers together."""

    def prepare(number: int) -> bool:
        def attempt() -> bool:
            browser_id = browsers[number % len(browsers)]
            allowance = MailAllowance("sign_in", f"ada+{number}@customer.example", browser_id)
            row = store.batch_get_items([allowance.key]).get(allowance.key)
            if allowance.is_spent(row, f"eml_{number}", NOW):
                return False
            transaction = store.Transaction(CALL)
            allowance.count(transaction, row, f"eml_{number}", NOW)
            transaction.commit()
            return True

        return store.retry_on_conflict(attempt)

    assert told(48, prepare) == {"taken": taken, "spent": 48 - taken}
