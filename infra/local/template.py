"""Read infra/resources.yaml, so that the local run uses the declarations of the deployment."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
RESOURCES_FILE = ROOT / "infra" / "resources.yaml"
_EVENT_SOURCE_SUFFIX = "SqsEventSource"
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_SECONDS = {"minute": 60, "hour": 3600, "day": 86400}
_SUBSTITUTION = re.compile(r"\$\{([^}]+)\}")


class TemplateError(Exception):
    """The template has something that the local run does not support; the message says what and where."""


@dataclass(frozen=True)
class QueueEvent:
    """A queue and the function that it triggers, by their logical ids."""

    function: str
    queue: str


@dataclass(frozen=True)
class ScheduleEvent:
    """A function that runs every ``seconds``."""

    function: str
    name: str
    seconds: int
    input: str


@dataclass(frozen=True)
class TopicEvent:
    """A topic, by its logical id, and the function that it triggers."""

    function: str
    topic: str


@dataclass(frozen=True)
class Template:
    """The parts of a CloudFormation template that the local run uses."""

    document: Mapping[str, Any]

    @classmethod
    def read(cls, file: Path = RESOURCES_FILE) -> "Template":
        """Read the template of the deployment, whose intrinsics are in their long form."""
        return cls(yaml.safe_load(file.read_text(encoding="utf-8")))

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the properties of all resources of one CloudFormation type, by logical id."""
        return {
            name: resource.get("Properties", {})
            for name, resource in self.document["Resources"].items()
            if resource.get("Type") == kind
        }

    def environment(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of every function; ``values`` are those of logical ids and parameters.

        Variables that refer to something outside ``values`` are left out; the caller sets them.
        """
        variables = self.document.get("Globals", {}).get("Function", {}).get("Environment", {})
        found = {}
        for name, value in variables.get("Variables", {}).items():
            try:
                found[name] = self.resolve(value, values)
            except TemplateError:
                continue
        return found

    def resolve(self, value: Any, values: Mapping[str, str]) -> str:
        """Return the value of an intrinsic. Raises TemplateError if it is unknown locally."""
        match value:
            case str() | int():
                return str(value)
            case {"Ref": str(name)}:
                return self._named(name, values)
            case {"Fn::GetAtt": [str(name), str(attribute)]}:
                return self._named(f"{name}.{attribute}", values)
            case {"Fn::Sub": str(text)}:
                return _SUBSTITUTION.sub(lambda found: self._named(found[1], values), text)
        raise TemplateError(f"The local run does not understand {value!r} in the template.")

    def queue_events(self) -> list[QueueEvent]:
        """Return the queues with the functions that they trigger."""
        return [
            QueueEvent(function, _referred(event["Properties"]["Queue"]))
            for function, name, event in self._events()
            if event.get("Type") == "SQS" or name.endswith(_EVENT_SOURCE_SUFFIX)
        ]

    def schedule_events(self) -> list[ScheduleEvent]:
        """Return the schedules. Raises TemplateError for expressions other than ``rate(…)``."""
        return [
            ScheduleEvent(
                function,
                name,
                _seconds(event["Properties"]["ScheduleExpression"]),
                event["Properties"].get("Input", "{}"),
            )
            for function, name, event in self._events()
            if event.get("Type") in {"Schedule", "ScheduleV2"}
        ]

    def topic_events(self) -> list[TopicEvent]:
        """Return the topics with the functions that they trigger."""
        return [
            TopicEvent(function, _referred(event["Properties"]["Topic"]))
            for function, _, event in self._events()
            if event.get("Type") == "SNS"
        ]

    def _events(self) -> list[tuple[str, str, dict[str, Any]]]:
        return [
            (function, name, event)
            for function, resource in self.document["Resources"].items()
            for name, event in resource.get("Properties", {}).get("Events", {}).items()
        ]

    def _named(self, name: str, values: Mapping[str, str]) -> str:
        if name in values:
            return values[name]
        parameter = self.document.get("Parameters", {}).get(name, {})
        if "Default" in parameter:
            return str(parameter["Default"])
        raise TemplateError(f"Nothing is known locally of {name}, which the template names.")


def logical_id(function_name: str) -> str:
    """Return the logical id that Chalice gives to this function."""
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]", function_name))


def _referred(value: Any) -> str:
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]}:
            return name
    raise TemplateError(f"The local run does not understand {value!r} as the source of an event.")


def _seconds(expression: str) -> int:
    found = _RATE.fullmatch(expression)
    if found is None:
        raise TemplateError(f"The local run knows schedules of the form rate(5 minutes), not {expression!r}.")
    return int(found[1]) * _SECONDS[found[2]]
