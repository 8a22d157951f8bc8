"""The stored texts of tasks, which rows and queue messages of earlier deployments hold, and the table of kinds."""

from datetime import UTC, datetime

import pytest

from chalicelib.config import QUEUES
from chalicelib.table import keys
from chalicelib.table.keys import Key
from chalicelib.tasks import kinds
from chalicelib.tasks.kinds import (
    CheckRoleCoverage,
    CreateInvoicePdf,
    CreateStatementPdf,
    DeliverInvoice,
    PlanInvoices,
    RecordWithheldReminders,
    ReleaseOldInvoices,
    RemindAccount,
    ReplanInvoices,
    RunErasure,
    RunImport,
    SendBulkEmail,
    SendBundle,
    SendPasswordEmail,
    SendUrgentEmail,
    Task,
)
from chalicelib.tasks.queue import TaskMessage
from infra.local.template import Template

ULID = "01KG9MZR00000000000000000A"
DUE = datetime(2026, 1, 31, 7, 0, 0, 123000, tzinfo=UTC)
# Kind, subject and partition as the first release wrote them.
STORED = [
    ("urgent_mail", f"eml_{ULID}", "WORK#urgent_mail#1", SendUrgentEmail(f"eml_{ULID}")),
    ("password_mail", f"eml_{ULID}", "WORK#password_mail#1", SendPasswordEmail(f"eml_{ULID}")),
    ("bulk_mail", f"eml_{ULID}", "WORK#bulk_mail#3", SendBulkEmail(f"eml_{ULID}")),
    ("import", f"imp_{ULID}", "WORK#import#0", RunImport(f"imp_{ULID}")),
    ("erase", f"era_{ULID}", "WORK#erase#0", RunErasure(f"era_{ULID}")),
    ("document", "INV-2026.1", "WORK#document#1", CreateInvoicePdf("INV-2026.1")),
    ("document", "statement", "WORK#document#1", CreateInvoicePdf("statement")),
    ("document", f"statement/sta_{ULID}", "WORK#document#1", CreateStatementPdf(f"sta_{ULID}")),
    ("delivery", "INV-2026.1", "WORK#delivery#1", DeliverInvoice("INV-2026.1")),
    ("delivery", f"acme-1/eu/con_{ULID}", "WORK#delivery#1", SendBundle("acme-1", "eu", f"con_{ULID}")),
    ("coverage", "ann@example.com", "WORK#coverage#0", CheckRoleCoverage("ann@example.com")),
    ("coverage", '"a n"@example.com', "WORK#coverage#0", CheckRoleCoverage('"a n"@example.com')),
    ("planning", "i1", "WORK#planning#2", PlanInvoices(("i1",))),
    ("planning", "i1 i2 INV-2026.1", "WORK#planning#0", PlanInvoices(("i1", "i2", "INV-2026.1"))),
    ("planning", "withheld/eml_1 i1 i2", "WORK#planning#3", RecordWithheldReminders("eml_1", ("i1", "i2"))),
    ("planning", "withheld i2", "WORK#planning#0", PlanInvoices(("withheld", "i2"))),
    ("replanning", "entity eu", "WORK#replanning#0", ReplanInvoices("entity", "eu")),
    ("replanning", "account acme-1", "WORK#replanning#0", ReplanInvoices("account", "acme-1")),
    ("replanning", "bill_group release", "WORK#replanning#0", ReplanInvoices("bill_group", "release")),
    (
        "replanning",
        "account acme-1 OPEN#eu#EUR#2026-01-31#i1",
        "WORK#replanning#0",
        ReplanInvoices("account", "acme-1", "OPEN#eu#EUR#2026-01-31#i1"),
    ),
    ("replanning", "release eu", "WORK#replanning#0", ReleaseOldInvoices("eu")),
    ("reminder", "acme-1 eu", "WORK#reminder#6", RemindAccount("acme-1", "eu")),
]


@pytest.mark.parametrize(("kind", "subject", "partition", "task"), STORED)
def test_a_task_is_stored_as_it_always_was(kind: str, subject: str, partition: str, task: Task) -> None:
    of = kinds.kind_of_task(task)
    assert (of.name, task.encode()) == (kind, subject)
    key = keys.task(of.name, of.shards, subject, DUE, f"dut_{ULID}")
    assert key == Key(partition, f"2026-01-31T07:00:00.123Z#dut_{ULID}")
    assert kinds.decode_task(kind, subject) == task


def test_the_message_is_what_it_always_was() -> None:
    body = (
        '{"duty": "planning", "subject": "i1 i2", "key": ["WORK#planning#2", "2026-01-31T07:00:00.123Z#dut_1"], '
        '"correlation_id": "c"}'
    )
    message: TaskMessage[PlanInvoices] = TaskMessage.parse(body)
    assert message.task == PlanInvoices(("i1", "i2"))
    assert TaskMessage.of(message.task, message.key, "c").body() == body


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        ("import", ""),
        ("planning", " "),
        ("replanning", "entity"),
        ("replanning", "release "),
        ("reminder", "acme-1"),
        ("reminder", "acme-1 "),
        ("reminder", "acme-1 eu more"),
        ("unknown", "i1"),
    ],
)
def test_what_is_no_subject_is_refused(kind: str, subject: str) -> None:
    with pytest.raises(ValueError, match="not the subject of a task"):
        kinds.decode_task(kind, subject)


def test_every_class_of_task_belongs_to_one_kind_and_is_stored_as_above() -> None:
    abstract = {Task, kinds.SendEmail}
    classes = {one for one in vars(kinds).values() if isinstance(one, type) and issubclass(one, Task)} - abstract
    listed = [one for kind in kinds.TASK_KINDS.values() for one in kind.task_classes]
    assert sorted(one.__name__ for one in listed) == sorted(one.__name__ for one in classes)
    assert {type(task) for *_, task in STORED} == classes


def test_the_queues_of_the_kinds_are_those_of_the_deployment() -> None:
    assert {kind.queue for kind in kinds.TASK_KINDS.values()} == set(QUEUES)
    template = Template.read()
    queues = template.of_type("AWS::SQS::Queue")
    names = {queue: "".join(part.capitalize() for part in queue.split("_")) for queue in QUEUES}
    assert {name for name in queues if not name.endswith("DeadLetterQueue")} == {
        f"{one}Queue" for one in names.values()
    }
    variables = template.document["Globals"]["Function"]["Environment"]["Variables"]
    consumers = [event.queue for event in template.queue_events()]
    for queue, name in names.items():
        assert variables[f"{queue.upper()}_QUEUE_URL"] == {"Ref": f"{name}Queue"}
        target = queues[f"{name}Queue"]["RedrivePolicy"]["deadLetterTargetArn"]
        assert target == {"Fn::GetAtt": [f"{name}DeadLetterQueue", "Arn"]}
        assert consumers.count(f"{name}Queue") == 1
