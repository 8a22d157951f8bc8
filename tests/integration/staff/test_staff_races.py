"""There is always an admin, and a user name is one person's, on the real-process engine under concurrency."""

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from typing import Any

import pytest

from chalicelib.errors import CounterfoilError
from chalicelib.passwords import own_password
from chalicelib.passwords.hashing import hash_password
from chalicelib.request_context import Actor, RequestContext
from chalicelib.staff import service as staff
from chalicelib.table import keys, store
from chalicelib.table.items import UserNameItem
from tests.engine import engine, engine_environment  # noqa: F401

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("engine_environment", "_fresh")]

THREADS = 16
ROUNDS = 20 if os.environ.get("COUNTERFOIL_PROOF") else 3
NOW = datetime(2026, 1, 15, 9, tzinfo=UTC)
CALL = RequestContext(Actor("staff", "s1", "Sam"), NOW, "race-0001")


@pytest.fixture
def _fresh(engine_environment: dict[str, str]) -> None:  # noqa: F811
    from tests.aws import forget

    forget()


def at_once(work: Any, threads: int = THREADS) -> list[str]:
    """Let all threads begin together; return what each came to: ``done``, or the code of its refusal."""
    barrier = Barrier(threads)

    def run(number: int) -> str:
        barrier.wait()
        try:
            work(number)
        except CounterfoilError as refusal:
            return refusal.code
        return "done"

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))


@pytest.mark.parametrize("way", ["remove", "demote"])
def test_the_last_admin_stays_who_leaves_at_once(way: str) -> None:
    for number in range(ROUNDS):
        emails = [f"{way}{number}-{one}@vendor.example" for one in range(6)]
        for email in emails:
            staff.add_staff_member(CALL, email, "Kim", "admin")
        for member, _ in [staff.list_staff(100, None)]:
            for other in member:
                if other.email not in emails:
                    staff.delete_staff_member(CALL, other.email)

        def leave(which: int, emails: list[str] = emails) -> None:
            if way == "remove":
                staff.delete_staff_member(CALL, emails[which])
            else:
                staff.update_staff_member(CALL, emails[which], {"role": "viewer"}, None)

        told = at_once(leave, len(emails))
        assert sorted(told) == ["done"] * 5 + ["last_admin"]
        admins = [member for member in staff.list_staff(100, None)[0] if member.role == "admin"]
        assert len(admins) == 1


def test_one_email_address_is_one_staff_member() -> None:
    told = at_once(lambda number: staff.add_staff_member(CALL, "kim@vendor.example", f"Kim {number}", "admin"))
    assert sorted(told) == ["done"] + ["staff_exists"] * (THREADS - 1)


def test_parallel_guesses_are_counted_before_they_are_heard() -> None:
    key = keys.user_name("ann")
    store.create_item(
        UserNameItem(
            key.pk,
            key.sk,
            user_name="ann",
            account_id="a1",
            contact_id="con_1",
            email="ann@example.com",
            password_hash=hash_password("seven green lamps on a hill"),
        )
    )
    told = at_once(
        lambda number: own_password.open_password_session(
            CALL, "ann", f"guess number {number}", None, source_ip="192.0.2.1"
        )
    )
    assert told.count("wrong_password") <= 5
    assert set(told) <= {"wrong_password", "too_many_tries", "unavailable"}
    assert at_once(
        lambda number: own_password.open_password_session(
            CALL, "ann", "seven green lamps on a hill", None, source_ip="192.0.2.1"
        ),
        1,
    ) == ["too_many_tries"]
