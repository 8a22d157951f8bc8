"""The template of the deployment, as the local run reads it."""

import pytest

from infra.local import environment
from infra.local.environment import NotLocalError
from infra.local.template import Template, TemplateError, logical_id

_FUNCTION = {
    "Properties": {
        "Events": {
            "DeliverSqsEventSource": {"Properties": {"Queue": {"Fn::GetAtt": ["Urgent", "Arn"]}}},
            "Hourly": {"Type": "ScheduleV2", "Properties": {"ScheduleExpression": "rate(2 hours)"}},
            "Told": {"Type": "SNS", "Properties": {"Topic": {"Ref": "Topic"}}},
        }
    }
}


def test_events_of_functions() -> None:
    template = Template({"Resources": {"Deliver": _FUNCTION}})
    assert [(event.function, event.queue) for event in template.queue_events()] == [("Deliver", "Urgent")]
    assert [(event.function, event.topic) for event in template.topic_events()] == [("Deliver", "Topic")]
    assert [event.seconds for event in template.schedule_events()] == [7200]


def test_other_schedules_are_refused_with_their_text() -> None:
    wrong = {"Type": "ScheduleV2", "Properties": {"ScheduleExpression": "cron(0 9 * * ? *)"}}
    template = Template({"Resources": {"Deliver": {"Properties": {"Events": {"Daily": wrong}}}}})
    with pytest.raises(TemplateError, match=r"cron\(0 9"):
        template.schedule_events()


def test_every_source_of_the_real_template_is_understood_and_declared() -> None:
    template = Template.read()
    queues = template.of_type("AWS::SQS::Queue")
    assert {event.queue for event in template.queue_events()} <= set(queues)
    assert {event.topic for event in template.topic_events()} <= set(template.of_type("AWS::SNS::Topic"))
    assert template.schedule_events()
    assert all("RedrivePolicy" in queues[event.queue] for event in template.queue_events())


def test_intrinsics() -> None:
    template = Template({"Resources": {}, "Parameters": {"Level": {"Default": "INFO"}}})
    values = {"Table": "t", "Table.Arn": "arn:t"}
    assert template.resolve({"Ref": "Table"}, values) == "t"
    assert template.resolve({"Ref": "Level"}, values) == "INFO"
    assert template.resolve({"Fn::GetAtt": ["Table", "Arn"]}, values) == "arn:t"
    assert template.resolve({"Fn::Sub": "${Table.Arn}/*"}, values) == "arn:t/*"
    with pytest.raises(TemplateError, match="Bucket"):
        template.resolve({"Ref": "Bucket"}, values)


def test_logical_ids_are_those_of_chalice() -> None:
    from chalice.utils import to_cfn_resource_name

    for name in ("deliver_urgent_mail", "sweep-duties", "import_file2"):
        assert logical_id(name) == to_cfn_resource_name(name)


@pytest.mark.parametrize("endpoint", ["https://dynamodb.us-east-1.amazonaws.com", "http://10.0.0.1:8000", "dynamodb"])
def test_no_endpoint_of_another_machine_is_used(endpoint: str) -> None:
    given = {"AWS_ENDPOINT_URL_DYNAMODB": endpoint}
    with pytest.raises(NotLocalError, match="AWS_ENDPOINT_URL_DYNAMODB"):
        environment.base("http://127.0.0.1:4566", given=given)


def test_the_users_own_credentials_are_not_used() -> None:
    given = {"AWS_PROFILE": "production", "AWS_ENDPOINT_URL_DYNAMODB": "http://localhost:8001"}
    made = environment.base("http://127.0.0.1:4566", given=given)
    assert "AWS_PROFILE" not in made
    assert made["AWS_ENDPOINT_URL_DYNAMODB"] == "http://localhost:8001"
    assert made["AWS_SHARED_CREDENTIALS_FILE"] == "/dev/null"
