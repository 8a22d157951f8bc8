"""An entity's own words for its reminders: over HTTP, in policies, and in the mails (R1, R3)."""

from typing import Any

import pytest
from babel.localedata import locale_identifiers

from chalicelib.table.items import AuditEventItem
from tests.integration.deliveries.world import subject
from tests.integration.reminders.replies import Post, link, text
from tests.integration.reminders.world import World, digests, mails, rows
from tests.integration.service import code, faults
from tests.integration.service import rows as all_rows

AT = "/reminder-templates/acme/first"
EN = {
    "subject": "{account}: {invoice} is open",
    "opening": "It is {amount}, due {due_date} ({days} days).\n\nThank you.",
}
DE = {"subject": "{account}: {invoice} ist offen", "opening": "Noch {count} offen: {amount}, fällig am {due_date}."}
LANGUAGES = [tag for tag in sorted(locale_identifiers()) if len(tag) == 2]
STEP = {"offset": 1, "tone": "friendly", "template": "first"}


def html(request: dict[str, Any]) -> str:
    found: str = request["Content"]["Simple"]["Body"]["Html"]["Data"]
    return found


def hold(world: World) -> None:
    """Let the digest of the day after the due date be written, and its mails wait."""
    world.at("2026-03-11T09:30")
    world.hour()


class TestOverHttp:
    def test_made_read_changed_listed_and_deleted(self, world: World) -> None:
        answer = world.service.ask("PUT", AT, {"texts": {"en": EN, "de_ch": DE}})
        assert (answer.status, answer.headers["etag"]) == (201, '"1"')
        assert answer.json == {
            "entity_id": "acme",
            "template_id": "first",
            "texts": {"en": EN, "de-CH": DE},
            "version": 1,
        }
        before = all_rows()
        again = world.service.ask("PUT", AT, {"texts": {"de-CH": DE, "en": EN}})
        assert (again.status, again.json) == (200, answer.json)
        assert all_rows() == before, "the same again writes nothing"
        changed = world.service.put(AT, texts={"ja": EN})
        assert (list(changed["texts"]), changed["version"]) == (["ja"], 2)
        assert world.service.get(AT) == changed
        world.service.put("/reminder-templates/acme/second", texts={"en": EN})
        page = world.service.get("/reminder-templates/acme?limit=1")
        assert [one["template_id"] for one in page["items"]] == ["first"]
        page = world.service.get(f"/reminder-templates/acme?limit=1&cursor={page['next_cursor']}")
        assert [one["template_id"] for one in page["items"]] == ["second"]
        assert world.service.ask("DELETE", AT).status == 204
        for method in ("GET", "DELETE"):
            assert code(world.service.ask(method, AT)) == (404, "not_found")
        done = [one.action for one in rows(AuditEventItem) if one.resource_id == "first"]
        assert sorted(done) == [f"reminder_template.{one}" for one in ("changed", "created", "deleted")]

    def test_paragraphs_are_tidied(self, world: World) -> None:
        given = {"subject": " Re {invoice} ", "opening": "\r\n One \r\ntwo\n\n\n\n Three\n"}
        assert world.service.put(AT, texts={"en": given})["texts"]["en"] == {
            "subject": "Re {invoice}",
            "opening": "One\ntwo\n\nThree",
        }

    @pytest.mark.parametrize(
        ("texts", "fault"),
        [
            ({}, ("texts", "too_few")),
            (dict.fromkeys(LANGUAGES[:31], EN), ("texts", "too_many")),
            ({"en": {**EN, "subject": "{nobody}"}}, ("texts.en.subject", "unknown_placeholder")),
            ({"en": {**EN, "opening": "{account.name}"}}, ("texts.en.opening", "unknown_placeholder")),
            ({"de-CH": {**EN, "opening": "{amount"}}, ("texts.de-CH.opening", "unbalanced_brace")),
            ({"en": {**EN, "opening": "{amo\nunt}"}}, ("texts.en.opening", "unknown_placeholder")),
            ({"en": {**EN, "subject": "x" * 181}}, ("texts.en.subject", "too_long")),
            ({"en": {**EN, "subject": "a\nb"}}, ("texts.en.subject", "bad_character")),
            ({"en": {**EN, "opening": "a\u202eb"}}, ("texts.en.opening", "bad_character")),
            ({"en": {**EN, "opening": "x" * 2001}}, ("texts.en.opening", "too_long")),
            ({"en": {**EN, "opening": " \n\n "}}, ("texts.en.opening", "blank")),
            ({"en": {"subject": "Hello"}}, ("texts.en.opening", "required")),
            ({"en": {**EN, "html": "<b>"}}, ("texts.en.html", "unknown_field")),
            ({"en-GB": EN, "en_gb": EN}, ("texts", "repeated")),
            (None, ("texts", "wrong_type")),
        ],
    )
    def test_what_cannot_be(self, world: World, texts: Any, fault: tuple[str, str]) -> None:
        world.service.get("/reminder-templates/acme")
        before = all_rows()
        assert faults(world.service.ask("PUT", AT, {"texts": texts})) == [fault]
        assert all_rows() == before

    def test_a_refusal_names_what_may_stand_in_braces(self, world: World) -> None:
        answer = world.service.ask("PUT", AT, {"texts": {"en": {**EN, "opening": "{nobody}"}}})
        (told,) = answer.json["errors"]
        assert "{nobody}" in told["message"]
        assert "{sender}, {account}, {contact}, {amount}, {invoice}, {due_date}, {days}, {count}" in told["message"]

    def test_texts_that_are_too_long_together(self, world: World) -> None:
        # Each of these becomes three characters, of twelve bytes each as the table has them.
        long = {"subject": "x", "opening": "\U0001d160" * 400}
        texts = dict.fromkeys(LANGUAGES[:13], long)
        assert faults(world.service.ask("PUT", AT, {"texts": texts})) == [("texts", "too_long")]

    def test_foreign_ids(self, world: World) -> None:
        world.service.put(AT, texts={"en": EN})
        assert code(world.service.ask("PUT", "/reminder-templates/no/first", {"texts": {"en": EN}})) == (
            404,
            "not_found",
        )
        for path in ("/reminder-templates/no", "/reminder-templates/no/first", "/reminder-templates/acme/no"):
            assert code(world.service.ask("GET", path)) == (404, "not_found")

    def test_a_stale_version_is_refused(self, world: World) -> None:
        world.service.put(AT, texts={"en": EN})
        answer = world.service.ask("PUT", AT, {"texts": {"de": DE}}, if_match="0")
        assert code(answer) == (409, "stale_version")


class TestInPolicies:
    def test_a_step_names_one_that_its_entity_has_at_any_level(self, world: World) -> None:
        world.issue()
        group = world.service.get("/invoices/i1")["bill_group_id"]
        owners = ("/reminder-policies/acme", "/accounts/a1/reminder-policy", f"/bill-groups/{group}/reminder-policy")
        steps = [{"offset": 0, "tone": "friendly"}, STEP, {**STEP, "offset": 2, "template": "none"}]
        unknown = [("steps[1].template", "unknown_template"), ("steps[2].template", "unknown_template")]
        for path in owners:
            assert faults(world.service.ask("PUT", path, {"steps": steps})) == unknown
        assert faults(world.service.ask("POST", f"{owners[0]}/preview", {"steps": steps})) == unknown
        world.service.put(AT, texts={"en": EN})
        assert world.service.ask("POST", f"{owners[0]}/preview", {"steps": [STEP]}).status == 200
        for path in owners:
            found = world.service.put(path, steps=[STEP])
            assert found["effective"]["steps"] == [STEP]
        world.plan()

    def test_what_is_shown_can_be_sent_back(self, world: World) -> None:
        world.service.put(AT, texts={"en": EN})
        shown = world.service.put("/reminder-policies/acme", steps=[STEP, {"offset": 9, "tone": "firm"}])
        assert [step["template"] for step in shown["effective"]["steps"]] == ["first", None]
        before = all_rows()
        for again in (shown["own"], {"steps": shown["effective"]["steps"]}):
            assert world.service.put("/reminder-policies/acme", **again) == shown
        assert all_rows() == before
        world.plan()

    def test_one_that_was_deleted_is_refused_when_it_is_named_again(self, world: World) -> None:
        world.service.put(AT, texts={"en": EN})
        world.service.put("/reminder-policies/acme", steps=[STEP])
        world.service.ask("DELETE", AT)
        answer = world.service.ask("PUT", "/reminder-policies/acme", {"steps": [STEP]})
        assert faults(answer) == [("steps[0].template", "unknown_template")]
        assert world.service.put("/reminder-policies/acme", run_limit=9)["effective"]["steps"] == [STEP]
        world.plan()


class TestInMails:
    @pytest.fixture
    def reminded(self, world: World) -> World:
        """An account whose next step has words of the entity's own, in English and in German."""
        world.service.put(AT, texts={"en": EN, "de": DE})
        world.service.put("/reminder-policies/acme", steps=[STEP])
        world.plan()
        world.issue("i1")
        return world

    def test_each_reader_gets_them_in_their_language(self, reminded: World, post: Post) -> None:
        reminded.contact("Bob", "accounts_payable", locale="de-CH")
        reminded.contact("Chi", "accounts_payable", locale="ja")
        hold(reminded)
        assert [(one.tone, one.template) for one in digests()] == [("friendly", "first")]
        post.deliver()
        ada, bob, chi = sorted(post.of("reminder"), key=lambda one: one["Destination"]["ToAddresses"][0])
        name = reminded.service.get("/accounts/a1")["name"]
        assert subject(ada) == f"{name}: I1 is open"
        assert "Hello Ada Test,\n\nIt is €120.00, due 10 March 2026 (1 days).\n\nThank you.\n\nInvoice: I1" in text(ada)
        assert "It is <bdi>€120.00</bdi>, due <bdi>10 March 2026</bdi>" in html(ada)
        assert "Thank you.</bdi></p>" in html(ada)
        assert "Reply to this reminder" in html(ada)
        assert link(ada)
        assert subject(bob) == f"{name}: I1 ist offen"
        assert "Noch 1 offen:" in text(bob)
        assert "fällig am 10. März 2026." in text(bob)
        assert "I1" in subject(chi)
        assert "is open" not in subject(chi)
        assert "Thank you." not in text(chi)

    def test_of_several_invoices_that_which_was_due_first_is_named(self, reminded: World, post: Post) -> None:
        reminded.issue("i0")
        reminded.service.put(AT, texts={"en": {**EN, "subject": "{count}: {invoice}, {contact}, {sender}"}})
        hold(reminded)
        post.deliver()
        (request,) = post.of("reminder")
        assert subject(request) == "2: I0, Ada Test, Acme"
        assert "It is €240.00" in text(request)

    def test_where_it_was_deleted_meanwhile_the_tone_speaks(self, reminded: World, post: Post) -> None:
        hold(reminded)
        reminded.service.ask("DELETE", AT)
        post.deliver()
        (request,) = post.of("reminder")
        assert subject(request) == "Reminder: invoice I1 was due on 10 March 2026"
        assert "It may have been overlooked" in text(request)

    def test_hostile_names_stay_names(self, reminded: World, post: Post) -> None:
        reminded.service.put(AT, texts={"en": {**EN, "opening": "<i>{{x}} for {account}</i>"}})
        reminded.service.put("/accounts/a1", name="<script>{amount}{{ 7 * 7 }}</script>")
        hold(reminded)
        post.deliver()
        (request,) = post.of("reminder")
        assert "<i>{x} for <script>{amount}{{ 7 * 7 }}</script></i>" in text(request)
        shown = "&lt;i&gt;{x} for <bdi>&lt;script&gt;{amount}{{ 7 * 7 }}&lt;/script&gt;</bdi>&lt;/i&gt;"
        assert shown in html(request)

    def test_it_is_reported_where_the_tone_is(self, reminded: World) -> None:
        reminded.at("2026-03-11T09:30")
        (digest,) = reminded.dry()["digests"]
        assert [one["template"] for one in digest["invoices"]] == ["first"]
        shown = reminded.service.get("/invoices/i1/reminders")
        assert shown["due_now"]["template"] == "first"
        assert mails() == []
