"""The template, the settings, the policies and the application say the same."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import samtranslator.translator.transform as sam

from chalicelib.config import LOCAL_DEPLOYMENT, ConfigurationError, Settings
from chalicelib.observability import METRICS_NAMESPACE, logger
from infra import CONSOLE_MODULES
from infra.layer import ARCHIVE
from infra.package import CHALICE_STAGE, ROOT

FUNCTION = "AWS::Serverless::Function"
QUEUE = "AWS::SQS::Queue"


def _of_type(template: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {
        name: resource["Properties"] for name, resource in template["Resources"].items() if resource["Type"] == kind
    }


def _configured_functions() -> dict[str, dict[str, Any]]:
    config = json.loads((ROOT / ".chalice/config.json").read_text())
    configured: dict[str, dict[str, Any]] = config["stages"][CHALICE_STAGE]["lambda_functions"]
    return configured


def _application_functions() -> set[str]:
    from app import app

    entries: list[Any] = [*app.pure_lambda_functions, *app.event_sources]

    return {"api_handler", *(entry.name for entry in entries)}


def _camel(name: str) -> str:
    return "APIHandler" if name == "api_handler" else "".join(part.capitalize() for part in name.split("_"))


def test_every_function_is_deployed_and_every_configured_function_exists(template: dict[str, Any]) -> None:
    assert set(_configured_functions()) <= _application_functions()
    assert set(_of_type(template, FUNCTION)) == {_camel(name) for name in _application_functions()}


def _console_functions() -> set[str]:
    """The functions that docs/operations.md tells people to invoke."""
    section = (ROOT / "docs/operations.md").read_text().partition("\n## Console functions\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| ([a-z]+(?:_[a-z]+)+) \|", section, re.MULTILINE))


def test_what_people_invoke_has_an_output_and_what_nothing_else_calls_is_reported_to_people(
    template: dict[str, Any],
) -> None:
    from app import app

    functions = _of_type(template, FUNCTION)
    told = {_camel(name) for name in _console_functions()}
    pure = {_camel(entry.name): entry.handler_string for entry in app.pure_lambda_functions}
    assert {name for name in pure if not functions[name].get("Events")} <= told
    assert told == {name for name, handler in pure.items() if handler.startswith(CONSOLE_MODULES)}
    outputs = {
        name.removesuffix("Function"): output["Value"]
        for name, output in template["Outputs"].items()
        if name.endswith("Function")
    }
    assert outputs == {name: {"Ref": name} for name in told}


def _policies() -> dict[str, Path]:
    return {path.stem: path for path in (ROOT / "infra/policies").glob("*.json")}


def test_every_function_has_a_policy_of_its_name_and_every_policy_a_function() -> None:
    """Without the template, which cannot be made when a policy is missing."""
    assert set(_policies()) == _application_functions()


def test_what_people_invoke_is_invoked_with_its_policy_in_the_deployed_stack() -> None:
    """``make stack-test`` enforces the policies: a right that a function lacks shows only when the function runs."""
    journeys = "".join(path.read_text() for path in (ROOT / "tests/infra").glob("*.py"))
    assert {_camel(name) for name in _console_functions()} - set(re.findall(r'\.invoke\("(\w+)"', journeys)) == set()


def test_every_function_is_deployed_with_the_policy_of_its_name(template: dict[str, Any]) -> None:
    functions = _of_type(template, FUNCTION)
    for name, path in _policies().items():
        role = template["Resources"][functions[_camel(name)]["Role"]["Fn::GetAtt"][0]]["Properties"]
        (policy,) = role["Policies"]
        assert policy["PolicyDocument"]["Statement"] == json.loads(path.read_text())["Statement"], name


@pytest.mark.parametrize("path", sorted((ROOT / "infra/policies").glob("*.json")), ids=lambda path: path.stem)
def test_a_policy_grants_named_actions_on_named_resources(path: Path) -> None:
    for statement in json.loads(path.read_text())["Statement"]:
        assert statement["Effect"] == "Allow"
        for action in statement["Action"]:
            # AWS asks for SendMessage where a batch is sent; the engine asks for SendMessageBatch.
            assert "*" not in action or action == "sqs:SendMessage*"
        # The engine knows no resource of SES; an identity of another account is not ours to name anyway.
        assert statement["Resource"] != "*" or set(statement["Action"]) <= {"ses:SendEmail", "ses:GetAccount"}


def _granted(name: str) -> dict[str, Any]:
    policy = (ROOT / f"infra/policies/{name}.json").read_text()
    return {statement.pop("Sid"): statement for statement in json.loads(policy)["Statement"]}


def test_what_sends_mail_is_granted_the_same_but_for_signing_in_pdfs_and_reminders() -> None:
    urgent, bulk = _granted("deliver_urgent_mail"), _granted("deliver_bulk_mail")
    assert urgent.pop("ReadWhoMaySignIn")["Action"] == ["dynamodb:Query"]
    assert bulk.pop("ReadDocuments")["Action"] == ["s3:GetObject"]
    # Which open invoices credit covers, and what a reminder did not tell of.
    assert bulk.pop("ReadOpenInvoices")["Action"] == ["dynamodb:Query"]
    assert bulk.pop("SendToQueues")["Action"] == ["sqs:SendMessage*"]
    assert bulk.pop("ReadSendingLimits")["Action"] == ["ses:GetAccount"]
    assert urgent.pop("ConsumeQueue")["Action"] == bulk.pop("ConsumeQueue")["Action"]
    assert urgent == bulk
    password = _granted("deliver_password_mail")
    assert password.pop("ConsumeQueue")["Resource"] == [{"Fn::GetAtt": ["PasswordMailQueue", "Arn"]}]
    assert password == bulk


def test_functions_get_exactly_the_variables_that_the_settings_read(template: dict[str, Any]) -> None:
    class Recorder(dict[str, str]):
        def __init__(self) -> None:
            self.asked: set[str] = set()

        def get(self, name: str, default: Any = None) -> Any:
            self.asked.add(name)
            return default

    recorder = Recorder()
    with pytest.raises(ConfigurationError):
        Settings.from_env(recorder)
    assert set(template["Globals"]["Function"]["Environment"]["Variables"]) == recorder.asked
    for properties in _of_type(template, FUNCTION).values():
        assert "Environment" not in properties


def test_no_deployment_passes_for_the_local_service(template: dict[str, Any]) -> None:
    allowed = re.compile(template["Parameters"]["DeploymentName"]["AllowedPattern"])
    assert not allowed.fullmatch(LOCAL_DEPLOYMENT)
    assert all(allowed.fullmatch(name) for name in ("dev", "local-2", "localhost", "l"))


def test_every_queue_gives_up_into_a_dead_letter_queue_that_keeps(template: dict[str, Any]) -> None:
    queues = _of_type(template, QUEUE)
    dead = {name for name in queues if name.endswith("DeadLetterQueue")}
    for name in queues.keys() - dead:
        redrive = queues[name]["RedrivePolicy"]
        assert redrive["deadLetterTargetArn"] == {"Fn::GetAtt": [name.removesuffix("Queue") + "DeadLetterQueue", "Arn"]}
        assert redrive["maxReceiveCount"] == 5
    assert all(queues[name]["MessageRetentionPeriod"] == 14 * 24 * 3600 for name in dead)
    fed = {name.removesuffix("DeadLetterQueue") for name in dead}
    # What the function that hears SES could not record goes there by itself.
    assert fed == {name.removesuffix("Queue") for name in queues.keys() - dead} | {"MailFeedback"}


def _alarms(template: dict[str, Any], namespace: str) -> dict[str, dict[str, Any]]:
    alarms = _of_type(template, "AWS::CloudWatch::Alarm")
    return {name: alarm for name, alarm in alarms.items() if alarm["Namespace"] == namespace}


def test_what_needs_somebody_has_an_alarm_of_a_metric_that_the_code_gives(template: dict[str, Any]) -> None:
    alarms = _alarms(template, METRICS_NAMESPACE)
    code = "".join(file.read_text() for file in (ROOT / "chalicelib/reminders").rglob("*.py"))
    metrics = {alarm["MetricName"] for alarm in alarms.values()}
    assert metrics == {"RemindersWaitForPayments", "ReminderRunsWaiting", "InvoicePdfsMissing"}
    for alarm in alarms.values():
        assert f'add_metric(name="{alarm["MetricName"]}"' in code
        assert alarm["Dimensions"] == [{"Name": "service", "Value": logger.service}]
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "AlarmsTopic"}]


def test_every_dead_letter_queue_has_an_alarm_that_tells_of_one_message(template: dict[str, Any]) -> None:
    alarms = _alarms(template, "AWS/SQS")
    watched = []
    for alarm in alarms.values():
        (dimension,) = alarm["Dimensions"]
        assert dimension["Name"] == "QueueName"
        watched.append(dimension["Value"]["Fn::GetAtt"])
        assert alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
        assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", 0)
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "AlarmsTopic"}]
    dead = {name for name in _of_type(template, QUEUE) if name.endswith("DeadLetterQueue")}
    assert sorted(watched) == sorted([name, "QueueName"] for name in dead)
    assert len({alarm["AlarmDescription"] for alarm in alarms.values()}) == len(dead)


def test_every_queue_wakes_a_function_that_reports_partial_failures_and_has_time(
    template: dict[str, Any],
) -> None:
    queues = _of_type(template, QUEUE)
    woken = set()
    for properties in _of_type(template, FUNCTION).values():
        for event in properties.get("Events", {}).values():
            if event["Type"] == "SQS":
                queue = event["Properties"]["Queue"]["Fn::GetAtt"][0]
                woken.add(queue)
                assert event["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
                assert queues[queue]["VisibilityTimeout"] >= 6 * properties["Timeout"]
    assert woken == {name for name in queues if not name.endswith("DeadLetterQueue")}


def test_a_consumer_may_consume_its_own_queue_only(template: dict[str, Any]) -> None:
    for name, properties in _of_type(template, FUNCTION).items():
        role = template["Resources"][properties["Role"]["Fn::GetAtt"][0]]["Properties"]
        (policy,) = role["Policies"]
        consumed = [
            resource["Fn::GetAtt"][0]
            for statement in policy["PolicyDocument"]["Statement"]
            if "sqs:ReceiveMessage" in statement["Action"]
            for resource in statement["Resource"]
        ]
        events = properties.get("Events", {}).values()
        queues = [event["Properties"]["Queue"]["Fn::GetAtt"][0] for event in events if event["Type"] == "SQS"]
        assert consumed == queues, name


def test_every_log_is_stored_for_a_limited_time(template: dict[str, Any]) -> None:
    logs = _of_type(template, "AWS::Logs::LogGroup").values()
    named = {log["LogGroupName"]["Fn::Sub"] for log in logs}
    assert named == {f"/aws/lambda/${{{name}}}" for name in _of_type(template, FUNCTION)}
    assert all(log["RetentionInDays"] == 90 for log in logs)


def test_the_gateways_own_answers_are_problems(template: dict[str, Any]) -> None:
    answers = _of_type(template, "AWS::Serverless::Api")["RestAPI"]["GatewayResponses"]
    for kind, answer in answers.items():
        body = answer["ResponseTemplates"]["application/json"]
        problem = json.loads(body)
        assert problem["status"] == answer["StatusCode"], kind
        assert problem["correlation_id"] == "$context.requestId"
        assert set(problem) == {"type", "title", "status", "detail", "code", "correlation_id"}
        headers = answer["ResponseParameters"]["Headers"]
        assert headers["Content-Type"] == "'application/problem+json'"
        assert headers["Access-Control-Allow-Origin"] == "'*'"
        # A browser at the base URL shows where to continue.
        assert answer["StatusCode"] != 404 or "/v1/openapi.json" in problem["detail"], kind


def test_the_table_is_safe_from_us(template: dict[str, Any]) -> None:
    for name in ("Table", "Bucket"):
        resource = template["Resources"][name]
        assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Retain"
    table = template["Resources"]["Table"]["Properties"]
    assert table["DeletionProtectionEnabled"]
    assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]


@pytest.fixture(scope="module")
def translated(template: dict[str, Any]) -> dict[str, Any]:
    """The template as CloudFormation sees it."""
    uploaded = json.dumps(template).replace('"./deployment.zip"', '"s3://bucket/deployment.zip"')
    copy = json.loads(uploaded.replace(f'"./{ARCHIVE}"', f'"s3://bucket/{ARCHIVE}"'))

    class NoManagedPolicies:
        def load(self) -> dict[str, str]:
            return {}

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        result: dict[str, Any] = sam.transform(copy, {}, NoManagedPolicies())
    return result


def test_sam_understands_the_template_and_makes_one_stage(translated: dict[str, Any]) -> None:
    stages = _of_type(translated, "AWS::ApiGateway::Stage")
    assert [stage["StageName"] for stage in stages.values()] == ["api"]
    mappings = _of_type(translated, "AWS::Lambda::EventSourceMapping").values()
    queues = {name for name in _of_type(translated, QUEUE) if not name.endswith("DeadLetterQueue")}
    assert {mapping["EventSourceArn"]["Fn::GetAtt"][0] for mapping in mappings} == queues
    schedules = {
        schedule["ScheduleExpression"] for schedule in _of_type(translated, "AWS::Scheduler::Schedule").values()
    }
    # The sweeper's is needed for everything else to be done at last.
    assert "rate(1 minute)" in schedules
    subscribed = {one["Protocol"] for one in _of_type(translated, "AWS::SNS::Subscription").values()}
    assert subscribed == {"lambda", "email"}


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "Ref":
                yield inner
            elif key == "Fn::GetAtt":
                yield inner[0] if isinstance(inner, list) else inner.partition(".")[0]
            elif key == "Fn::Sub":
                text, given = (inner, {}) if isinstance(inner, str) else inner
                named = (part.partition("}")[0].partition(".")[0] for part in text.split("${")[1:])
                yield from (name for name in named if name not in given)
                yield from _references(given)
            elif key == "DependsOn":
                yield from [inner] if isinstance(inner, str) else inner
            else:
                yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def test_no_two_resources_wait_for_each_other(translated: dict[str, Any]) -> None:
    resources = translated["Resources"]
    waits = {name: set(_references(resource)) & resources.keys() for name, resource in resources.items()}
    ready: set[str] = set()
    while len(ready) < len(waits):
        next_ones = {name for name, needs in waits.items() if name not in ready and needs <= ready}
        assert next_ones, f"a circle among {sorted(waits.keys() - ready)}"
        ready |= next_ones


def test_every_reference_has_a_target(translated: dict[str, Any]) -> None:
    known = translated["Resources"].keys() | translated["Parameters"].keys()
    asked = set(_references([translated["Resources"], translated["Outputs"]]))
    assert {name for name in asked if not name.startswith("AWS::")} <= known
