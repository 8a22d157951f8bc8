"""The package, deployed by CloudFormation onto an engine that enforces IAM, does what a vendor would do first.

Each capability adds a step to the journey as it lands: a function that takes the stack, calls it from outside
and asserts what came of it. The journey must fail when a policy lacks a grant.
"""

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.permissions import SCOPES
from chalicelib.table import keys
from chalicelib.table.items import TaskItem
from chalicelib.tasks.kinds import TASK_KINDS
from infra.package import Package
from infra.stack import Cloud, Stack, eventually
from tests.infra import journey_of_invoices, journey_of_reminders

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

SENDER_DOMAIN = "billing.example.com"
CONTACT = "zoe@example.org"
CONTACTS = "/v1/accounts/acme/contacts"


def the_api_answers(stack: Stack) -> None:
    health = stack.call("GET", "/v1/health")
    assert health.status == 200, health.text
    assert health.json["deployment"] == "stack-test"
    document = stack.call("GET", "/v1/openapi.json").json
    assert document["servers"][0]["url"] == stack.outputs["ApiUrl"]


def a_key_is_made_in_the_console(stack: Stack) -> None:
    made = stack.invoke("CreateApiKey", {"name": "stack test", "scopes": list(SCOPES), "confirm": True})
    assert made.get("api_key"), made
    stack.api_key = made["api_key"]
    me = stack.call("GET", "/v1/me")
    assert me.status == 200, me.text


def strangers_and_unknown_addresses_get_problems(stack: Stack) -> None:
    answers = {
        401: stack.call("GET", "/v1/me", key=""),
        404: stack.call("GET", "/v1/nothing-of-the-kind"),
        405: stack.call("DELETE", "/v1/health"),
        415: stack.call("POST", "/v1/api-keys", headers={"Content-Type": "text/plain"}),
    }
    for status, answer in answers.items():
        assert answer.status == status, answer
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json
        assert problem["status"] == status
        assert problem["code"]
        assert problem["correlation_id"]


def an_account_and_a_contact_are_created(stack: Stack) -> None:
    entity = {
        "name": "Northwind",
        "colour": "#1a2b3c",
        "sender_email": f"billing@{SENDER_DOMAIN}",
        "locale": "en-GB",
        "time_zone": "Europe/London",
    }
    account = {"entity_id": "northwind", "name": "Åkerström & Söner", "currency": "EUR"}
    contact = {"first_name": "Zoë", "last_name": "Müller", "email": CONTACT, "roles": ["invoicing"]}
    written = [
        stack.call("PUT", "/v1/entities/northwind", entity),
        stack.call("PUT", "/v1/accounts/acme", account),
        stack.call("POST", CONTACTS, contact, headers={"Idempotency-Key": "zoe-first"}),
    ]
    for answer in written:
        assert answer.status == 201, answer.text
    repeated = stack.call("POST", CONTACTS, contact, headers={"Idempotency-Key": "zoe-first"})
    assert (repeated.status, repeated.json["contact_id"]) == (201, written[2].json["contact_id"]), repeated.text
    (listed,) = stack.call("GET", CONTACTS).json["items"]
    assert listed["first_name"] == "Zoë"
    found = stack.call("GET", f"/v1/accounts?email={CONTACT}")
    assert [item["account_id"] for item in found.json["items"]] == ["acme"], found.text
    changes = stack.call("GET", "/v1/changes")
    assert changes.status == 200, changes.text


def the_queue_function_mails_the_contact_once(stack: Stack) -> None:
    assert eventually(lambda: stack.mails_to(CONTACT) or stack.refused_mails()), "no mail was sent"
    assert not stack.refused_mails(), stack.refused_mails()
    (mail,) = stack.mails_to(CONTACT)
    assert SENDER_DOMAIN in mail["FromEmailAddress"]
    assert "Zoë" in mail["Content"]["Simple"]["Body"]["Text"]["Data"]
    tags = {tag["Name"]: tag["Value"] for tag in mail["EmailTags"]}
    # What SES tells the topic reaches the function that records it.
    path = f"/v1/accounts/acme/emails/{tags['email_id']}"
    assert eventually(lambda: stack.call("GET", path).json.get("status") == "delivered"), stack.call("GET", path)
    assert len(stack.mails_to(CONTACT)) == 1


def an_overdue_task_is_swept_to_its_queue(stack: Stack) -> None:
    (mail,) = stack.mails_to(CONTACT)
    email_id = next(tag["Value"] for tag in mail["EmailTags"] if tag["Name"] == "email_id")
    overdue = datetime.now(UTC) - timedelta(hours=1)
    key = keys.task("bulk_mail", TASK_KINDS["bulk_mail"].shards, email_id, overdue, "00000000000000000000000000")
    task = TaskItem(
        key.pk,
        key.sk,
        duty_id="00000000000000000000000000",
        kind="bulk_mail",
        subject=email_id,
        due=overdue,
        correlation_id="stack-test",
    )
    client = stack.cloud.client("dynamodb")
    client.put_item(TableName=stack.outputs["TableName"], Item=task.serialize())
    stack.invoke("SweepDuties", {})
    assert not stack.item(key), "the sweeper has left the task where it was"
    # Its consumer finds the email delivered, and drops the task.
    assert eventually(lambda: not stack.items(key.pk)), stack.items(key.pk)
    assert len(stack.mails_to(CONTACT)) == 1


def a_contact_is_erased_for_good(stack: Stack) -> None:
    made = stack.call("POST", CONTACTS, {"first_name": "Ann", "last_name": "Leaves", "email": "ann@example.org"})
    assert made.status == 201, made.text
    path = f"{CONTACTS}/{made.json['contact_id']}"
    asked = stack.call("POST", f"{path}/erase", {"confirm": True})
    assert asked.status == 202, asked.text
    assert eventually(lambda: stack.call("GET", path).status == 404)
    ledger = stack.cloud.client("s3").list_objects_v2(Bucket=stack.outputs["BucketName"], Prefix="erasures/")
    assert ledger["KeyCount"] == 1
    assert stack.invoke("ReplayErasures", {})["would_begin"] == []


def a_file_is_imported(stack: Stack) -> None:
    mapping = {
        "kinds": [
            {
                "kind": "accounts",
                "fields": {
                    "account_id": "Id",
                    "name": "Name",
                    "entity_id": {"constant": "northwind"},
                    "currency": {"constant": "EUR"},
                },
            }
        ]
    }
    content = "Id,Name\nblume,Blume & Töchter\n,Nobody\n".encode()
    made = stack.call("POST", "/v1/imports", {"mapping": mapping, "dry_run": False, "size": len(content)})
    assert made.status == 202, made.text
    upload, path = made.json["upload"], f"/v1/imports/{made.json['import_id']}"
    assert stack.cloud.put(upload["url"], content, upload["headers"]) == 200
    started = stack.call("POST", f"{path}/start")
    assert started.status == 202, started.text
    assert eventually(lambda: stack.call("GET", path).json["status"] in ("finished", "failed"))
    done = stack.call("GET", path).json
    assert done["counts"]["accounts"]["created"] == 1, done
    assert [refusal["line"] for refusal in done["refusals"]] == [3]
    assert stack.call("GET", "/v1/accounts/blume").json["name"] == "Blume & Töchter"
    # The console function imports what lies in the bucket; here, without confirmation, it only tells.
    stack.cloud.client("s3").put_object(Bucket=stack.outputs["BucketName"], Key="imports/again.csv", Body=content)
    told = stack.invoke("ImportFile", {"key": "imports/again.csv", "mapping": mapping})
    assert told.get("import_id"), told
    asked = {"import_id": told["import_id"]}
    assert eventually(lambda: stack.invoke("ImportFile", asked)["status"] in ("finished", "failed"))
    assert stack.invoke("ImportFile", asked)["counts"]["accounts"]["unchanged"] == 1


def somebody_signs_in_by_mail(stack: Stack) -> None:
    group = {"account_id": "acme", "entity_id": "northwind", "name": "Head office"}
    assert stack.call("PUT", "/v1/bill-groups/acme-hq", group).status == 201
    rule = stack.call("POST", "/v1/bill-groups/acme-hq/access-rules", {"value": "example.net"})
    assert rule.status == 201, rule.text
    flow = {}
    for address in ("ida@example.net", "stranger@elsewhere.example"):
        asked = stack.call("POST", "/v1/sign-in", {"email": address}, key="")
        assert asked.status == 202, asked.text
        flow[address] = asked.json["flow"]
    assert eventually(lambda: stack.mails_to("ida@example.net") or stack.refused_mails()), "no mail was sent"
    assert not stack.refused_mails(), stack.refused_mails()
    (mail,) = stack.mails_to("ida@example.net")
    link = re.search(r"cl_[A-Za-z0-9_-]+", mail["Content"]["Simple"]["Body"]["Text"]["Data"])
    assert link, mail
    proof = {"flow": flow["ida@example.net"], "link": link.group()}
    opened = stack.call("POST", "/v1/sessions", proof, key="")
    assert opened.status == 201, opened.text
    assert stack.call("POST", "/v1/sessions", proof, key="").status == 409
    token = opened.json["token"]
    me = stack.call("GET", "/v1/me", key=token).json
    assert me["kind"] == "portal_user"
    assert stack.call("GET", "/v1/bill-groups/acme-hq", key=token).status == 200
    assert stack.call("GET", "/v1/accounts/blume", key=token).status == 404
    # Access that is taken away ends with the next request.
    path = f"/v1/bill-groups/acme-hq/access-rules/{rule.json['rule_id']}"
    assert stack.call("DELETE", path).status == 204
    assert stack.call("GET", "/v1/bill-groups/acme-hq", key=token).status == 404
    assert stack.mails_to("stranger@elsewhere.example") == []


def somebody_resets_a_password(stack: Stack) -> None:
    address = "pia@example.org"
    made = stack.call("POST", CONTACTS, {"first_name": "Pia", "last_name": "Forgets", "email": address})
    assert made.status == 201, made.text
    asked = stack.call("POST", "/v1/sign-in", {"email": journey_of_reminders.ADMIN, "kind": "staff"}, key="")

    def newest(address: str, pattern: str) -> re.Match[str] | None:
        texts = [mail["Content"]["Simple"]["Body"]["Text"]["Data"] for mail in stack.mails_to(address)]
        return next((found for text in texts if (found := re.search(pattern, text))), None)

    signs_in = eventually(lambda: newest(journey_of_reminders.ADMIN, r"cl_[A-Za-z0-9_-]{43}"))
    assert signs_in, "no mail was sent"
    proof = {"flow": asked.json["flow"], "link": signs_in.group()}
    staff = stack.call("POST", "/v1/sessions", proof, key="").json["token"]
    path = f"{CONTACTS}/{made.json['contact_id']}/credentials"
    given = stack.call("PUT", path, {"user_name": "pia.forgets"}, key=staff)
    assert given.status == 201, given.text
    for user_name in ("pia.forgets", "nobody.has.this"):
        asked = stack.call("POST", "/v1/password-resets", {"user_name": user_name}, key="")
        assert (asked.status, asked.json) == (202, {"asked": True}), asked.text

    found = eventually(lambda: newest(address, r"cp_[A-Za-z0-9_-]{43}"))
    assert found, "no mail was sent"
    reset = {"reset": found.group(), "password": "a sentence of my own"}
    done = stack.call("POST", "/v1/passwords", reset, key="")
    assert done.status == 204, done.text
    assert '"duty":"password_mail"' in stack.logs_of("DeliverPasswordMail")


JOURNEY: tuple[Callable[[Stack], None], ...] = (
    the_api_answers,
    a_key_is_made_in_the_console,
    strangers_and_unknown_addresses_get_problems,
    an_account_and_a_contact_are_created,
    the_queue_function_mails_the_contact_once,
    an_overdue_task_is_swept_to_its_queue,
    a_contact_is_erased_for_good,
    a_file_is_imported,
    somebody_signs_in_by_mail,
    *journey_of_invoices.STEPS,
    *journey_of_reminders.STEPS,
    somebody_resets_a_password,
)


@pytest.fixture(scope="module")
def template(cloud: Cloud, packaged: Package) -> dict[str, Any]:
    """The template of the package, its archive uploaded and its sender's domain verified."""
    cloud.verify_sender(SENDER_DOMAIN)
    return cloud.upload(packaged)


@pytest.fixture(scope="module")
def stack(cloud: Cloud, template: dict[str, Any]) -> Stack:
    """The package as it is, deployed."""
    return cloud.deploy("counterfoil", template)


def travel(stack: Stack) -> None:
    """Take every step of the journey. Raises AssertionError that names the step and holds the logs."""
    for step in JOURNEY:
        began = time.monotonic()
        try:
            step(stack)
        except AssertionError as error:
            raise AssertionError(f"{step.__name__}: {error}\n{stack.logs()}") from error
        print(f"{time.monotonic() - began:5.1f} s {step.__name__}")


def test_journey(stack: Stack) -> None:
    travel(stack)


@pytest.mark.parametrize(
    ("function", "action"), [("APIHandler", "dynamodb:PutItem"), ("DeliverBulkMail", "ses:SendEmail")]
)
def test_without_one_grant_the_journey_fails_for_want_of_it(
    cloud: Cloud, template: dict[str, Any], function: str, action: str
) -> None:
    lacking = cloud.deploy(f"lacks-{function.lower()}", without(template, function, action))
    with pytest.raises(AssertionError):
        travel(lacking)
    told = "\n".join([lacking.logs_of(function), *lacking.refused_mails()])
    assert f"is not authorized to perform: {action}" in told


# Last, because it waits for the minute to end.
def test_the_schedule_wakes_the_sweeper(stack: Stack) -> None:
    assert eventually(lambda: "START" in stack.logs_of("SweepDuties"), 90)
    assert "AccessDenied" not in stack.logs_of("SweepDuties")


def without(template: dict[str, Any], function: str, action: str) -> dict[str, Any]:
    """Return ``template`` with ``action`` taken from the role of ``function``."""
    copy: dict[str, Any] = json.loads(json.dumps(template))
    role = copy["Resources"][function]["Properties"]["Role"]["Fn::GetAtt"][0]
    (policy,) = copy["Resources"][role]["Properties"]["Policies"]
    statements = policy["PolicyDocument"]["Statement"]
    held = [statement for statement in statements if action in statement["Action"]]
    assert held, f"{function} never had {action}"
    for statement in held:
        statement["Action"].remove(action)
    policy["PolicyDocument"]["Statement"] = [statement for statement in statements if statement["Action"]]
    return copy
