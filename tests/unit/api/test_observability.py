import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from chalicelib import observability, tokens
from chalicelib.contacts.rules import Contact
from chalicelib.field_marks import DataSubject, fields_marked
from chalicelib.observability import logger, redact

CHALICELIB = Path(__file__).parents[3] / "chalicelib"
TOKEN = "cf_01JABCDEFGHJKMNPQRSTVWXYZ0_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ"


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What the logger writes."""
    stream = io.StringIO()
    handler = logger.registered_handler
    monkeypatch.setattr(handler, "stream", stream)
    yield stream
    observability.bind_log_context("00000000")


CANARIES = {
    "Authorization": "canary", "x-api-key": "canary", "token": "canary", "secret_hash": "canary",
    "password": "canary", "Set-Cookie": "canary", "email": "canary", "billing_contact_email": "canary",
    "first_name": "canary", "lastName": "canary", "name": "canary", "cell": "canary", "phone": "canary",
    "to": ["canary"], "subject": "canary", "html": "canary", "body": {"deep": "canary"}, "code": "canary",
    "signInCode": "canary", "link": "canary", "postal_code": "canary", "line1": "canary", "iban": "canary",
    "idempotency_key": "canary", "headers": {"x": "canary"},
    "free": f"key {TOKEN}, Bearer canary.canary, ann.canary@example.com, <bob.canary@example.com>",
    "list": [{"email": "canary"}, "eve.canary+x@exämple.com", ("tuple@canary.example",)],
    "deep": {"deeper": {"password": "canary"}},
}  # fmt: skip


def test_canaries_do_not_reach_the_log(output: io.StringIO) -> None:
    observability.bind_log_context("12345678", email="canary")
    logger.info("mail to ann.canary@example.com, +49 171 canary", extra={"context": CANARIES})
    logger.info("flat", extra={key: value for key, value in CANARIES.items() if key != "name"})
    logger.info("%s and %s", TOKEN, "Bearer canary")
    logger.info({"email": "canary", "contact": {"first_name": "canary"}})
    logger.info('{"email": "canary"}')
    try:
        raise ValueError(f"for canary@example.com with {TOKEN}")
    except ValueError:
        logger.exception("failed for canary@example.com")
    written = output.getvalue()
    assert len(written.splitlines()) == 6
    assert "canary@" not in written
    assert ".canary" not in written
    assert '"canary"' not in written
    assert "Bearer canary" not in written
    assert "abcdefghijkl" not in written


def test_every_field_about_a_contact_is_redacted_by_its_name() -> None:
    """Or stands here, since it alone tells nothing of a person; the two structures are redacted by their parts."""
    plain = {"company", "external_id", "locale"} | {"address", "upstream"}
    values = dict.fromkeys(sorted(fields_marked(Contact, DataSubject.CONTACT)), "canary")
    assert {name for name, shown in redact(values).items() if shown == "canary"} == plain


@pytest.mark.parametrize("phone", ["+49 171 1234567", "+1 (415) 555-0100", "+420 2 4172 5555", "+491711234567"])
def test_phone_numbers_are_redacted(phone: str) -> None:
    assert redact(f"call {phone} now") == f"call {observability.REDACTED} now"


def test_what_pydantic_refused_is_redacted(output: io.StringIO) -> None:
    value = "".join(("can", "ary, the\nperson"))
    try:
        TypeAdapter(int).validate_python(value)
    except ValueError:
        logger.exception("failed")
    assert "int_parsing" in output.getvalue()
    assert "canary" not in output.getvalue()


@pytest.mark.parametrize(
    "value",
    [
        {"status": 200, "route": "/v1/accounts/{account_id}", "contact_id": "con_01JABCDEFGHJKMNPQRSTVWXYZ0"},
        {"job_name": "sweep", "function_name": "f", "error_code": "not_found", "due": "2026-01-31T09:00:00.000Z"},
        {"milliseconds": 12, "ok": True, "nothing": None, "counts": {"sent": 3}},
    ],
)
def test_what_is_needed_stays(value: object) -> None:
    assert redact(value) == value


def test_lines_are_json_with_the_correlation_id(output: io.StringIO) -> None:
    observability.bind_log_context("12345678", route="/v1/me")
    logger.info("request", extra={"status": 200})
    line = json.loads(output.getvalue())
    assert line["correlation_id"] == "12345678"
    assert (line["route"], line["status"], line["level"]) == ("/v1/me", 200, "INFO")
    observability.bind_log_context("87654321")
    output.truncate(0)
    output.seek(0)
    logger.info("next")
    assert "route" not in json.loads(output.getvalue())


def test_a_job_has_its_own_context_and_raises_what_it_met(output: io.StringIO) -> None:
    @observability.instrument_job("failing")
    def failing(event: dict[str, str], context: object) -> None:
        raise RuntimeError("canary@example.com")

    with pytest.raises(RuntimeError):
        failing({"correlation_id": "from-the-message"}, None)
    line = json.loads(output.getvalue())
    assert (line["correlation_id"], line["job_name"]) == ("from-the-message", "failing")
    assert (line["level"], line["exception_name"]) == ("ERROR", "RuntimeError")
    assert "canary" not in output.getvalue()


def test_a_job_writes_its_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    @observability.instrument_job("counting")
    def counting(event: object, context: object) -> str:
        observability.metrics.add_metric(name="Counted", unit="Count", value=2)
        return "done"

    assert counting({}, None) == "done"
    assert counting({}, None) == "done"
    written = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["Counted"] for line in written] == [[2.0], [2.0]]


EXAMPLES = {
    tokens.API_KEY: f"cf_01JABCDEFGHJKMNPQRSTVWXYZ0_{'k' * 43}",
    tokens.KNOWN_BROWSER: f"cb_{'b' * 86}",
    tokens.UNSUBSCRIBE: f"harbor-light~01JABCDEFGHJKMNPQRSTVWXYZ0~reminders~{'u' * 22}",
}


@pytest.mark.parametrize("kind", tokens.TOKEN_KINDS, ids=lambda kind: kind.name)
def test_a_token_of_every_kind_is_redacted(kind: tokens.TokenKind, output: io.StringIO) -> None:
    token = EXAMPLES.get(kind) or tokens.new_secret(kind.prefix)
    assert re.fullmatch(kind.form, token)
    for shown in (token, f"GET /portal/some/{token} 200", f"<{token}>", f'"{token}"', f"x={token}&y=1"):
        assert token not in redact(shown)
        assert observability.REDACTED in redact(shown)
    logger.info("opened %s", token)
    assert token not in output.getvalue()


def test_what_is_no_token_stays() -> None:
    plain = f"{'a' * 64} con_01JABCDEFGHJKMNPQRSTVWXYZ0 eml_01JABCDEFGHJKMNPQRSTVWXYZ0 /portal/reply/x RE-2026-17"
    assert redact(plain) == plain


def test_every_secret_is_made_by_a_declared_kind() -> None:
    """Whoever makes a token elsewhere would make one that logs do not know."""
    makers = {
        str(source.relative_to(CHALICELIB))
        for source in CHALICELIB.rglob("*.py")
        if re.search(r"token_urlsafe\(|token_bytes\(", source.read_text())
    }
    # The portal link is no credential (A3); the cookie of a known browser is signed, so its kind is no ``new_secret``.
    assert makers == {"tokens.py", "bill_groups/portal_link.py", "sessions/known_browsers.py"}
    calls = {
        name
        for source in CHALICELIB.rglob("*.py")
        for name in re.findall(r"new_secret\(([^)]*)\)", source.read_text())
        if source.name != "tokens.py"
    }
    # A key's secret stands behind its id.
    assert calls == {
        "",
        "rules.FLOW_PREFIX",
        "rules.LINK_PREFIX",
        "rules.RESET_PREFIX",
        "SESSION.prefix",
        "REPLY.prefix",
    }


def test_every_declared_kind_is_in_the_list_that_is_redacted() -> None:
    declared = {value for value in vars(tokens).values() if isinstance(value, tokens.TokenKind)}
    assert declared == set(tokens.TOKEN_KINDS)
