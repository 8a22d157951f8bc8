"""Reminder policies at three levels, previews of a change, and up to when payments are known (R1, R2, R7)."""

from typing import Any

import pytest

from chalicelib.table.items import TaskItem
from tests.integration.reminders.world import World, digests, rows, sent, steps, to_come
from tests.integration.service import code, faults
from tests.integration.service import rows as all_rows

WEEKLY = [{"offset": 7, "tone": "friendly"}, {"offset": 14, "tone": "firm"}]


@pytest.fixture
def group(world: World) -> str:
    world.issue()
    found: str = world.service.get("/invoices/i1")["bill_group_id"]
    return found


def offsets(policy: Any) -> list[int]:
    return [step["offset"] for step in policy["effective"]["steps"]]


def test_the_default(world: World) -> None:
    found = world.service.get("/reminder-policies/acme")
    assert (found["own"], found["version"]) == ({}, 0)
    assert offsets(found) == [-3, 1, 7, 14, 30]
    assert found["effective"]["send_at"] == "09:00"


def test_each_level_overrides_the_one_above(world: World, group: str) -> None:
    world.service.put("/reminder-policies/acme", steps=WEEKLY, send_at="08:00", run_limit=7)
    world.service.put("/accounts/a1/reminder-policy", send_at="10:30", repeat_every_days=7, repeat_at_most=2)
    found = world.service.put(f"/bill-groups/{group}/reminder-policy", repeat_at_most=1)
    assert found["own"] == {"repeat_at_most": 1}
    effective = found["effective"]
    assert (effective["send_at"], effective["repeat_every_days"], effective["run_limit"]) == ("10:30", 7, 7)
    world.plan()
    assert to_come() == {"i1": "2026-03-17"}
    cleared = world.service.put("/accounts/a1/reminder-policy", send_at=None)
    assert cleared["effective"]["send_at"] == "08:00"
    assert world.service.ask("DELETE", "/accounts/a1/reminder-policy").status == 204
    assert world.service.get("/accounts/a1/reminder-policy")["own"] == {}
    assert world.service.get("/accounts/a1/reminder-policy")["version"] == 3
    world.plan()


def test_a_change_moves_what_is_planned(world: World, group: str) -> None:
    assert to_come() == {"i1": "2026-03-09"}
    for path, offset, day in (
        ("/reminder-policies/acme", 7, "2026-03-17"),
        ("/accounts/a1/reminder-policy", 2, "2026-03-12"),
        (f"/bill-groups/{group}/reminder-policy", 3, "2026-03-13"),
    ):
        world.service.put(path, steps=[{"offset": offset, "tone": "friendly"}])
        world.plan()
        assert to_come() == {"i1": day}
    assert [item for item in rows(TaskItem) if item.kind in ("planning", "replanning")] == []
    for path in (f"/bill-groups/{group}/reminder-policy", "/accounts/a1/reminder-policy"):
        world.service.ask("DELETE", path)
    world.plan()
    assert to_come() == {"i1": "2026-03-17"}


STEPS = [{"offset": offset, "tone": tone} for offset, tone in ((-3, "friendly"), (7, "neutral"), (14, "firm"))]
MILDER = [{"offset": offset, "tone": "friendly"} for offset in (1, 3)]
LAST = {"offset": 30, "tone": "final"}


def test_a_step_put_before_the_newest_one_taken_is_superseded_everywhere(world: World, group: str) -> None:
    world.service.put("/reminder-policies/acme", steps=STEPS, minimum_gap_days=0)
    world.plan()
    world.at("2026-03-07T09:30")
    assert [step for _, _, step in world.days("2026-03-25")] == ["-3", "+7", "+14"]
    world.at("2026-04-05T08:00")
    changed = {"steps": [STEPS[0], *MILDER, *STEPS[1:], LAST]}
    preview = world.service.ask("POST", "/reminder-policies/acme/preview", {"account_ids": ["a1"], **changed})
    (account,) = preview.json["items"]
    assert {one["step"]: (one["on_after"], one["superseded"]) for one in account["changes"]} == {
        "+1": (None, True), "+3": (None, True), "+30": ("2026-04-09", False),
    }  # fmt: skip
    world.service.put("/reminder-policies/acme", **changed)
    world.plan()
    assert steps() == {"-3": "sent", "+1": "superseded", "+3": "superseded", "+7": "sent", "+14": "sent"}
    history = world.service.get("/invoices/i1/reminders")
    assert [one["step"] for one in history["steps_left"]] == ["+30"]
    assert [(one["step"], one["on"]) for one in history["expected"]] == [("+30", "2026-04-09")]
    assert [one["step"] for one in history["taken"] if one["outcome"] == "superseded"] == ["+1", "+3"]
    assert [(day, step) for day, _, step in world.days("2026-04-20")] == [("2026-04-09", "+30")]


def test_a_step_skipped_ahead_counts_as_taken(world: World, group: str) -> None:
    world.service.put("/reminder-policies/acme", steps=STEPS, minimum_gap_days=0)
    world.plan()
    world.at("2026-03-07T09:30")
    world.days("2026-03-18")
    assert world.service.ask("POST", "/invoices/i1/reminder-skip").status == 200
    world.service.put("/reminder-policies/acme", steps=[*STEPS[:2], {"offset": 10, "tone": "neutral"}, STEPS[2], LAST])
    world.plan()
    assert steps() == {"-3": "sent", "+7": "sent", "+10": "superseded", "+14": "skipped"}


def test_closing_days_and_spells_hold_for_all(world: World, group: str) -> None:
    world.service.put(
        "/reminder-policies/acme",
        closing_days=["2026-03-09"],
        quiet_spells=[{"first": "2026-03-10", "last": "2026-03-11", "reason": "Move"}],
    )
    world.plan()
    assert to_come() == {"i1": "2026-03-10"} or to_come() == {"i1": "2026-03-12"}
    assert world.days("2026-03-13") == [("2026-03-12", "i1", "+1")]
    assert steps() == {"-3": "superseded", "+1": "sent"}


def test_a_stale_version_is_refused(world: World) -> None:
    answer = world.service.ask("PUT", "/reminder-policies/acme", {"run_limit": 9}, if_match="0")
    assert (answer.status, answer.headers["etag"]) == (200, '"1"')
    assert code(world.service.ask("PUT", "/reminder-policies/acme", {"run_limit": 8}, if_match="0")) == (
        409,
        "stale_version",
    )
    events = len(all_rows())
    world.service.put("/reminder-policies/acme", run_limit=9)
    assert len(all_rows()) == events, "the same again writes nothing"


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"steps": []}, ("steps", "required")),
        ({"steps": [WEEKLY[0], WEEKLY[0]]}, ("steps[0].offset", "repeated")),
        ({"steps": [WEEKLY[1], WEEKLY[0]]}, ("steps", "not_in_order")),
        ({"steps": [{"offset": 1, "tone": "firm"}, {"offset": 2, "tone": "friendly"}]}, ("steps", "milder_again")),
        ({"repeat_every_days": 7}, ("repeat_at_most", "required")),
        ({"repeat_at_most": 7}, ("repeat_every_days", "required")),
        ({"send_at": "9:00"}, ("send_at", "bad_time")),
        ({"send_at": "24:00"}, ("send_at", "bad_time")),
        ({"send_at": "22:01"}, ("send_at", "too_late")),
        ({"quiet_spells": [{"first": "2026-03-02", "last": "2026-03-01"}]}, ("quiet_spells[0].last", "too_early")),
    ],
)
def test_what_cannot_be(world: World, body: dict[str, Any], fault: tuple[str, str]) -> None:
    for path in ("/reminder-policies/acme", "/reminder-policies/acme/preview"):
        answer = world.service.ask("PUT" if path.endswith("acme") else "POST", path, body)
        assert faults(answer) == [fault]


def test_an_account_may_do_without_the_repetition_of_its_entity(world: World) -> None:
    world.service.put("/reminder-policies/acme", repeat_every_days=7, repeat_at_most=3)
    found = world.service.put("/accounts/a1/reminder-policy", repeat_at_most=0)
    assert found["effective"]["repeat_at_most"] == 0


def test_no_such_owner(world: World) -> None:
    for path in ("/reminder-policies/no", "/accounts/no/reminder-policy", "/bill-groups/no/reminder-policy"):
        assert code(world.service.ask("GET", path)) == (404, "not_found")
        assert code(world.service.ask("PUT", path, {"promise_limit_days": 3})) == (404, "not_found")
    assert code(world.service.ask("POST", "/reminder-policies/no/preview", {})) == (404, "not_found")


class TestPreview:
    def test_it_tells_what_would_change_and_changes_nothing(self, world: World, group: str) -> None:
        before = all_rows()
        body = {"steps": [{"offset": -3, "tone": "friendly"}, {"offset": 2, "tone": "neutral"}], "days": 60}
        answer = world.service.ask("POST", "/reminder-policies/acme/preview", body)
        assert answer.status == 200, answer.text
        assert all_rows() == before
        (told,) = answer.json["items"]
        assert (told["account_id"], told["reminders_before"], told["reminders_after"]) == ("a1", 4, 2)
        assert [(one["step"], one["on_before"], one["on_after"]) for one in told["changes"]] == [
            ("+1", "2026-03-11", None),
            ("+2", None, "2026-03-12"),
            ("+7", "2026-03-17", None),
            ("+14", "2026-03-24", None),
        ]

    def test_it_says_what_then_happens(self, world: World, group: str) -> None:
        body = {"steps": WEEKLY, "minimum_gap_days": 10, "days": 60}
        (told,) = world.service.ask("POST", "/reminder-policies/acme/preview", body).json["items"]
        foretold = sorted(
            (one["on_after"], one["invoice_id"], one["step"]) for one in told["changes"] if one["on_after"]
        )
        world.service.put("/reminder-policies/acme", steps=WEEKLY, minimum_gap_days=10)
        world.plan()
        happened = world.days("2026-04-02")
        assert [one for one in happened if one in foretold] == foretold

    def test_what_an_account_has_of_its_own_stays(self, world: World, group: str) -> None:
        world.service.put("/accounts/a1/reminder-policy", steps=[{"offset": 5, "tone": "firm"}])
        body = {"steps": WEEKLY, "days": 60}
        (told,) = world.service.ask("POST", "/reminder-policies/acme/preview", body).json["items"]
        assert (told["reminders_before"], told["changes"]) == (1, [])
        world.plan()

    def test_named_accounts_and_pages(self, world: World, group: str) -> None:
        for number in range(2, 15):
            world.service.account(f"a{number}")
        body: dict[str, Any] = {"steps": WEEKLY, "account_ids": ["a1", "a2", "none"]}
        named = world.service.ask("POST", "/reminder-policies/acme/preview", body).json
        assert [one["account_id"] for one in named["items"]] == ["a1"]
        found: list[str] = []
        cursor = ""
        for _ in range(5):
            page = world.service.ask("POST", f"/reminder-policies/acme/preview?limit=1{cursor}", {"steps": WEEKLY}).json
            found += [one["account_id"] for one in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert found == ["a1"]


class TestPaymentsAsOf:
    def test_reminders_wait_until_it_is_reported(self, world: World, group: str) -> None:
        assert world.service.get("/entities/acme/payments-as-of") == {"entity_id": "acme", "as_of": None}
        world.service.put("/entities/acme/payments-as-of", as_of="2026-02-02T07:00:00Z")
        world.at("2026-03-09T09:30")
        world.hour()
        assert digests() == []
        assert world.service.get("/invoices/i1/reminders")["why_not"]["code"] == "payments_not_current"
        # The plan counts on the billing system to report again.
        assert world.service.get("/invoices/i1/reminders")["expected"][0]["on"] == "2026-03-10"
        world.service.put("/entities/acme/payments-as-of", as_of="2026-03-09T09:00:00Z")
        world.hour()
        assert sent() == [("2026-03-09", "i1", "-3")]

    def test_reports_may_overtake_each_other(self, world: World) -> None:
        at = "/entities/acme/payments-as-of"
        world.service.put(at, as_of="2026-02-02T07:00:00Z")
        assert world.service.put(at, as_of="2026-02-01T07:00:00Z")["as_of"] == "2026-02-02T07:00:00Z"
        assert world.service.put(at, as_of=None)["as_of"] is None
        assert faults(world.service.ask("PUT", at, {"as_of": "2026-02-02T09:00:00Z"})) == [("as_of", "too_late")]
        assert faults(world.service.ask("PUT", at, {"as_of": "2026-02-02T07:00:00"})) == [("as_of", "bad_instant")]
        long_ago = {"as_of": "0001-01-01T00:00:00+14:00"}
        assert faults(world.service.ask("PUT", at, long_ago)) == [("as_of", "too_small")]
        assert code(world.service.ask("PUT", "/entities/no/payments-as-of", {"as_of": None})) == (404, "not_found")
