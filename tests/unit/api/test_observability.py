import io
import json
from collections.abc import Iterator

import pytest
from pydantic import TypeAdapter

from chalicelib import observability
from chalicelib.contacts.rules import Contact
from chalicelib.field_marks import DataSubject, fields_marked
from chalicelib.observability import logger, redact

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
