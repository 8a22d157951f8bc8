"""The stand-in for SES, and the inbox that shows what it keeps."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import botocore.config
import pytest
from botocore.exceptions import ClientError

from chalicelib.mail.feedback import ses_events
from infra.local import ses
from infra.local.folder import DataFolder
from infra.local.inbox import Inbox
from infra.local.service_clock import ServiceClock

_SCRIPT = "<script>alert(1)</script>"


class Topic:
    """Remembers what was published."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def publish(self, *, TopicArn: str, Message: str) -> None:  # noqa: N803
        self.events.append(json.loads(Message))

    def wait_for(self, count: int) -> list[dict[str, Any]]:
        deadline = time.monotonic() + 5
        while len(self.events) < count and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.1)
        assert len(self.events) == count
        return self.events


@pytest.fixture
def topic() -> Topic:
    return Topic()


@pytest.fixture
def endpoint(tmp_path: Path, topic: Topic, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    mailbox = ses.Mailbox(tmp_path, ServiceClock(DataFolder(tmp_path)), "arn:topic", topic)
    monkeypatch.setattr(ses.Handler, "mailbox", mailbox, raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), ses.Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def client(endpoint: str) -> Any:
    return boto3.client(
        "sesv2",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )


def _request(*recipients: str, **more: Any) -> dict[str, Any]:
    return {
        "FromEmailAddress": "Söder <billing@vendor.example>",
        "Destination": {"ToAddresses": list(recipients)},
        "ConfigurationSetName": "mails",
        "EmailTags": [{"Name": "email_id", "Value": "eml_1"}],
        "Content": {
            "Simple": {
                "Subject": {"Data": "Λογαριασμός"},
                "Body": {"Text": {"Data": "the text"}, "Html": {"Data": f"<p>the page</p>{_SCRIPT}"}},
                "Headers": [{"Name": "Auto-Submitted", "Value": "auto-generated"}],
                "Attachments": [
                    {"FileName": "Größe.pdf", "ContentType": "application/pdf", "RawContent": b"%PDF"},
                ],
            }
        },
        **more,
    }


def test_a_mail_is_stored_and_told_of_as_ses_does(client: Any, endpoint: str, topic: Topic, tmp_path: Path) -> None:
    message_id = client.send_email(**_request("a@customer.example"))["MessageId"]
    events = topic.wait_for(2)
    assert [event["eventType"] for event in events] == ["Send", "Delivery"]
    assert events[0]["mail"]["tags"]["email_id"] == ["eml_1"]
    assert events[0]["mail"]["messageId"] == message_id

    found = Inbox(tmp_path, endpoint).message(message_id)
    assert found is not None
    assert found["subject"] == "Λογαριασμός"
    assert found["text"] == "the text"
    assert found["headers"] == [{"name": "Auto-Submitted", "value": "auto-generated"}]
    assert [event["kind"] for event in found["events"]] == ["send", "delivery"]
    (attachment,) = found["attachments"]
    assert (attachment["file_name"], attachment["size"]) == ("Größe.pdf", 4)
    download = Inbox(tmp_path, endpoint).answer("GET", attachment["url"])
    assert base64.b64decode(download["body"]) == b"%PDF"


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("success", ["Send", "Delivery"]),
        ("bounce", ["Send", "Bounce"]),
        ("bounce+label", ["Send", "Bounce"]),
        ("suppressionlist", ["Send", "Bounce"]),
        ("complaint", ["Send", "Delivery", "Complaint"]),
        ("ooto", ["Send", "Delivery"]),
    ],
)
def test_the_addresses_of_the_mailbox_simulator(client: Any, topic: Topic, name: str, kinds: list[str]) -> None:
    client.send_email(**_request(f"{name}@simulator.amazonses.com"))
    events = topic.wait_for(len(kinds))
    assert [event["eventType"] for event in events] == kinds


def test_each_recipient_has_a_fate_of_their_own(client: Any, topic: Topic) -> None:
    client.send_email(**_request("a@customer.example", "bounce@simulator.amazonses.com"))
    _, delivery, bounce = topic.wait_for(3)
    assert delivery["delivery"]["recipients"] == ["a@customer.example"]
    assert bounce["bounce"]["bounceType"] == "Permanent"
    assert bounce["bounce"]["bouncedRecipients"][0]["emailAddress"] == "bounce@simulator.amazonses.com"


def test_no_events_without_a_configuration_set(client: Any, topic: Topic) -> None:
    request = _request("a@customer.example")
    del request["ConfigurationSetName"]
    client.send_email(**request)
    time.sleep(0.5)
    assert topic.events == []


@pytest.mark.parametrize(
    "more",
    [
        {"FromEmailAddress": "nobody"},
        {"Destination": {}},
        {"Destination": {"ToAddresses": [f"a{number}@customer.example" for number in range(51)]}},
        {"FromEmailAddress": "a@vendor.example\r\nBcc: b@customer.example"},
        {"Content": {"Raw": {"Data": b"x"}}},
    ],
)
def test_what_ses_refuses_is_refused_and_not_stored(client: Any, tmp_path: Path, more: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as refusal:
        client.send_email(**_request("a@customer.example", **more))
    assert refusal.value.response["Error"]["Code"] in {"BadRequestException", "MessageRejected"}
    assert list(tmp_path.glob("*.json")) == []


def test_the_account_tells_the_rate_and_counts_what_was_sent(client: Any) -> None:
    client.send_email(**_request("a@customer.example"))
    quota = client.get_account()["SendQuota"]
    assert quota == {"Max24HourSend": 50000.0, "MaxSendRate": 14.0, "SentLast24Hours": 1.0}


def test_the_page_runs_nothing_of_a_mail(client: Any, endpoint: str, tmp_path: Path) -> None:
    message_id = client.send_email(**_request("a@customer.example"))["MessageId"]
    inbox = Inbox(tmp_path, endpoint)
    response = inbox.answer("GET", f"/inbox/messages/{message_id}")
    assert response["statusCode"] == 200
    assert _SCRIPT not in response["body"]
    assert "default-src 'none'" in response["headers"]["Content-Security-Policy"]
    mail = inbox.answer("GET", f"/inbox/messages/{message_id}/html")
    assert "<p>the page</p>" in mail["body"]
    policy = mail["headers"]["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    for page in (response["body"], policy):
        assert "allow-scripts" not in page
        assert "allow-same-origin" not in page


def test_newest_first_and_as_json(client: Any, endpoint: str, tmp_path: Path) -> None:
    for name in ("first", "second"):
        client.send_email(**_request(f"{name}@customer.example"))
        time.sleep(0.01)
    inbox = Inbox(tmp_path, endpoint)
    listed = json.loads(inbox.answer("GET", "/inbox/messages.json")["body"])["messages"]
    assert [message["to"] for message in listed] == [["second@customer.example"], ["first@customer.example"]]
    one = json.loads(inbox.answer("GET", f"/inbox/messages/{listed[0]['id']}.json")["body"])
    assert one["to"] == ["second@customer.example"]
    assert "second@customer.example" in inbox.answer("GET", "/inbox")["body"]


@pytest.mark.parametrize("path", ["/inbox/messages/..%2f..", "/inbox/messages/0-0", "/inbox/other"])
def test_what_is_not_there_is_404(tmp_path: Path, path: str) -> None:
    assert Inbox(tmp_path, "http://127.0.0.1:1").answer("GET", path)["statusCode"] == 404


@pytest.mark.parametrize(
    ("button", "word", "recipients"),
    [
        ("bounce", "permanent_bounce", ("a@customer.example",)),
        ("transient", "transient_bounce", ("a@customer.example",)),
        ("complaint", "complaint", ("a@customer.example",)),
        ("delay", "delivery_delay", ("a@customer.example",)),
        ("reject", "reject", ("a@customer.example",)),
    ],
)
def test_what_ses_may_report_is_simulated_from_the_inbox(
    client: Any, endpoint: str, topic: Topic, tmp_path: Path, button: str, word: str, recipients: tuple[str, ...]
) -> None:
    tags = [{"Name": "email_id", "Value": "eml_01JAAAAAAAAAAAAAAAAAAAAAAA"}]
    message_id = client.send_email(**_request("a@customer.example", EmailTags=tags))["MessageId"]
    topic.wait_for(2)
    inbox = Inbox(tmp_path, endpoint)
    assert f"/{button}" in inbox.answer("GET", f"/inbox/messages/{message_id}")["body"]
    assert inbox.answer("POST", f"/inbox/messages/{message_id}/{button}")["statusCode"] == 303
    report = ses_events.parse_notification(json.dumps(topic.wait_for(3)[-1]))
    assert report is not None
    assert (report.event.kind, report.event.recipients) == (word, recipients)
    shown = inbox.message(message_id)
    assert shown is not None
    assert shown["events"][-1]["kind"] == button


def test_what_comes_faster_than_the_rate_is_refused_for_now(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ses, "SENDS_A_SECOND", 0)
    fifty = [f"a{number}@customer.example" for number in range(50)]
    for _ in range(2):
        client.send_email(**_request(*fifty))
    once = botocore.config.Config(retries={"total_max_attempts": 1})
    impatient = boto3.client(
        "sesv2", endpoint_url=client.meta.endpoint_url, region_name="us-east-1", config=once,
        aws_access_key_id="local", aws_secret_access_key="local",
    )  # fmt: skip
    with pytest.raises(ClientError) as refusal:
        impatient.send_email(**_request("a@customer.example"))
    assert refusal.value.response["Error"]["Code"] == "TooManyRequestsException"
    assert client.get_account()["SendQuota"]["SentLast24Hours"] == 100


@pytest.mark.parametrize("name", ["", "x" * 256])
def test_an_attachment_without_a_proper_name_is_refused(client: Any, name: str) -> None:
    request = _request("a@customer.example")
    request["Content"]["Simple"]["Attachments"] = [{"FileName": name, "RawContent": b"%PDF"}]
    with pytest.raises(ClientError) as refusal:
        client.send_email(**request)
    assert refusal.value.response["Error"]["Code"] == "BadRequestException"
