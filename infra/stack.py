"""Deploy a package by CloudFormation to a fresh local engine that enforces IAM, for ``make stack-test``.

It does with boto3 what `aws cloudformation package` and `deploy` do. Every function runs with its role from the
template, so a missing grant fails as on AWS.
"""

import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import WaiterError

from chalicelib.table.keys import Key
from infra.local import engine as local_engine
from infra.package import Package
from infra.stack_http import Answer, answer
from infra.stack_mail import MailStandIn

_ARTIFACTS = "counterfoil-artifacts"
_PLENTY_BYTES = 12 * 1024**3
_PARAMETERS = {
    "DeploymentName": "stack-test",
    "SigningKey": "only-for-the-test-of-the-stack-0123456789",
    "MailMode": "live",
    "RequireTls": "false",
}


class DeploymentError(Exception):
    """CloudFormation did not create the stack; the message holds its reasons."""


@dataclass
class Stack:
    """A deployed stack."""

    cloud: "Cloud"
    name: str
    template: dict[str, Any]
    api_key: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    refused_before: int = 0

    def resource(self, logical_id: str) -> str:
        """Return the physical id of the resource that the template calls ``logical_id``."""
        found = self.cloud.client("cloudformation").describe_stack_resource(
            StackName=self.name, LogicalResourceId=logical_id
        )
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    def invoke(self, logical_id: str, payload: dict[str, Any]) -> Any:
        """Invoke a function as the console does and return its result. Raises AssertionError if it fails."""
        reply = self.cloud.client("lambda").invoke(
            FunctionName=self.resource(logical_id), Payload=json.dumps(payload).encode()
        )
        result = json.loads(reply["Payload"].read() or b"null")
        assert "FunctionError" not in reply, f"{logical_id} failed: {result}"
        return result

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        form: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        key: str | None = None,
    ) -> Answer:
        """Call the deployed API through its gateway, with the API key of the stack unless ``key`` is given.

        ``form`` is sent as one of our pages would.
        """
        bearer = self.api_key if key is None else key
        sent = {"Host": f"{self.outputs['RestAPIId']}.execute-api.localhost"}
        if bearer:
            sent["Authorization"] = f"Bearer {bearer}"
        data = b"" if method in {"POST", "PUT", "PATCH"} else None
        if body is not None:
            data = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        if form is not None:
            data = urllib.parse.urlencode(form).encode()
            own = urllib.parse.urlsplit(self.outputs["ApiUrl"])
            sent |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"{own.scheme}://{own.netloc}"}
        request = urllib.request.Request(
            f"{self.cloud.url}/api{path}", data=data, method=method, headers=sent | (headers or {})
        )
        return answer(request)

    @property
    def configuration_set(self) -> str:
        """The name of the stack's SES configuration set."""
        return self.outputs["MailConfigurationSetName"]

    def mails_to(self, address: str) -> list[dict[str, Any]]:
        """Return the emails to ``address`` that SES has accepted from this stack."""
        return self.cloud.mail.to(address, self.configuration_set)

    def refused_mails(self) -> list[str]:
        """Return why SES refused emails since this stack was deployed."""
        return self.cloud.mail.refusals[self.refused_before :]

    def item(self, key: Key) -> dict[str, Any]:
        """Return the item at ``key`` of the stack's table, empty if there is none; numbers as Decimal."""
        table = self.cloud.resource("dynamodb").Table(self.outputs["TableName"])
        found: dict[str, Any] = table.get_item(Key={"PK": key.pk, "SK": key.sk}).get("Item", {})
        return found

    def items(self, partition: str) -> list[dict[str, Any]]:
        """Return the first items of a partition of the stack's table."""
        table = self.cloud.resource("dynamodb").Table(self.outputs["TableName"])
        found: list[dict[str, Any]] = table.query(
            KeyConditionExpression="PK = :pk", ExpressionAttributeValues={":pk": partition}
        )["Items"]
        return found

    def logs_of(self, logical_id: str) -> str:
        """Return the log of one function."""
        client = self.cloud.client("logs")
        with contextlib.suppress(client.exceptions.ResourceNotFoundException):
            group = f"/aws/lambda/{self.resource(logical_id)}"
            return "\n".join(
                event["message"].rstrip() for event in client.filter_log_events(logGroupName=group)["events"]
            )
        return ""

    def logs(self, lines: int = 30) -> str:
        """Return the last ``lines`` of each function's log, for the message of a failed assertion."""
        told: list[str] = []
        for name, resource in self.template["Resources"].items():
            if resource["Type"] == "AWS::Serverless::Function":
                own = [
                    line
                    for line in self.logs_of(name).splitlines()
                    if not line.startswith(("START ", "END ", "REPORT "))
                ]
                told.extend([f"--- {name}", *own[-lines:]] if own else [])
        return "\n".join(told)


@dataclass
class Cloud:
    """A running engine with IAM enforced, its SES stand-in, and the packages uploaded to it."""

    url: str
    mail: MailStandIn

    @cached_property
    def _session(self) -> Any:
        return boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=local_engine.REGION)

    def client(self, service: str) -> Any:
        """Return a client of ``service`` with the rights of the account's owner."""
        return self._session.client(
            service, endpoint_url=self.url, config=Config(read_timeout=120, retries={"total_max_attempts": 1})
        )

    def resource(self, service: str) -> Any:
        """Return boto3's resource of ``service`` with the rights of the account's owner."""
        return self._session.resource(service, endpoint_url=self.url)

    def put(self, url: str, content: bytes, headers: dict[str, str]) -> int:
        """Upload a file to a presigned URL, as a caller of the API does, and return the status."""
        return answer(urllib.request.Request(url, data=content, method="PUT", headers=headers)).status

    def get(self, url: str) -> bytes:
        """Return the content at a presigned URL. Raises AssertionError when the request is refused."""
        found = answer(urllib.request.Request(url))
        assert found.status == 200, found.text
        return found.body

    def verify_sender(self, domain: str) -> None:
        """Verify ``domain`` in SES, as the vendor does once for each sender."""
        ses = self.client("sesv2")
        with contextlib.suppress(ses.exceptions.AlreadyExistsException):
            ses.create_email_identity(EmailIdentity=domain)

    def upload(self, package: Package) -> dict[str, Any]:
        """Upload the archives, and return the template with the new locations of functions and layers."""
        s3 = self.client("s3")
        with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
            s3.create_bucket(Bucket=_ARTIFACTS)
        for archive in (package.archive, package.layer):
            s3.upload_file(str(archive), _ARTIFACTS, archive.name)
        template: dict[str, Any] = json.loads(package.template.read_text())
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::Serverless::Function":
                resource["Properties"]["CodeUri"] = f"s3://{_ARTIFACTS}/{package.archive.name}"
            elif resource["Type"] == "AWS::Serverless::LayerVersion":
                resource["Properties"]["ContentUri"] = f"s3://{_ARTIFACTS}/{package.layer.name}"
        return template

    def deploy(self, name: str, template: dict[str, Any]) -> Stack:
        """Create the stack ``name`` and wait until it is complete. Raises DeploymentError."""
        self.client("s3").put_object(Bucket=_ARTIFACTS, Key=f"{name}.json", Body=json.dumps(template).encode())
        formation = self.client("cloudformation")
        formation.create_stack(
            StackName=name,
            TemplateURL=f"{self.url}/{_ARTIFACTS}/{name}.json",
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in _PARAMETERS.items()],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
        try:
            formation.get_waiter("stack_create_complete").wait(
                StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 120}
            )
        except WaiterError as error:
            events = formation.describe_stack_events(StackName=name)["StackEvents"]
            reasons = [
                f"{event['LogicalResourceId']} {event['ResourceStatus']}: {event.get('ResourceStatusReason', '')}"
                for event in events
                if "FAILED" in event["ResourceStatus"] or event.get("ResourceStatusReason")
            ]
            raise DeploymentError("\n".join(reasons) or str(error)) from error
        outputs = formation.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]
        stack = Stack(self, name, template, refused_before=len(self.mail.refusals))
        stack.outputs = {output["OutputKey"]: output["OutputValue"] for output in outputs}
        self._mend_gateway(stack)
        self.mail.serve(stack.configuration_set, stack.outputs["MailEventsTopicArn"], self.client("sns"))
        return stack

    def _mend_gateway(self, stack: Stack) -> None:
        """Create what the engine ignores when it imports an API definition: the gateway responses."""
        gateway = self.client("apigateway")
        api = stack.outputs["RestAPIId"]
        answers = stack.template["Resources"]["RestAPI"]["Properties"]["GatewayResponses"]
        for kind, own in answers.items():
            gateway.put_gateway_response(
                restApiId=api,
                responseType=kind,
                statusCode=str(own["StatusCode"]),
                responseTemplates=own["ResponseTemplates"],
                responseParameters={
                    f"gatewayresponse.header.{name}": value
                    for name, value in own["ResponseParameters"]["Headers"].items()
                },
            )
        gateway.create_deployment(restApiId=api, stageName="api")


@contextlib.contextmanager
def cloud() -> Iterator[Cloud]:
    """Start a fresh engine on a free port; on exit, the engine and its data are removed."""
    with tempfile.TemporaryDirectory(prefix="counterfoil-stack-", dir=_roomy_memory()) as folder:
        state, logs, temporary, mails = (Path(folder) / name for name in ("state", "logs", "tmp", "mails"))
        temporary.mkdir()
        with MailStandIn(mails) as mail, _engine(state, logs, temporary, mail.url) as url:
            mail.engine = url
            yield Cloud(url, mail)


def _roomy_memory() -> Path | None:
    """Return a folder in memory if there is enough of it; None for the default folder.

    The engine unpacks the whole package again for every function that it starts, which takes minutes on a disk.
    """
    shared, told = Path("/dev/shm"), Path("/proc/meminfo")
    if not (os.access(shared, os.W_OK) and told.exists()):
        return None
    kibibytes = dict(line.split()[:2] for line in told.read_text().splitlines())["MemAvailable:"]
    room = min(int(kibibytes) * 1024, shutil.disk_usage(shared).free)
    return shared if room >= _PLENTY_BYTES else None


@contextlib.contextmanager
def _engine(state: Path, logs: Path, temporary: Path, mail_url: str) -> Iterator[str]:
    # Functions inherit the environment of the engine: only the SES endpoint of ours may reach them.
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "HOME": str(temporary),
        "TMPDIR": str(temporary),
        "LANG": "C.UTF-8",
        # Compiling is wasted on a package that is unpacked again each time.
        "PYTHONDONTWRITEBYTECODE": "1",
        "AUTH": "true",
        "AWS_ENDPOINT_URL_SESV2": mail_url,
    }
    engine = local_engine.start(state, logs, environment)
    try:
        yield engine.url
    finally:
        # No data is kept, and its workers must not outlive it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(engine.process.pid, signal.SIGKILL)
        engine.process.wait()


def eventually(check: Any, seconds: float = 90.0) -> Any:
    """Return the first truthy result of ``check``, or its last result after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not (found := check()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found
