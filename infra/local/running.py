"""The running local service as its processes know it: environment, resources and functions."""

import importlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from chalice.local import LambdaContext

from infra.local import environment
from infra.local.folder import DataFolder, read_json, write_json
from infra.local.template import ROOT, logical_id

_LONGEST_SECONDS = 900
_MEMORY = 512


class NotRunningError(Exception):
    """No service runs on the folder; the message is for the user."""


@dataclass(frozen=True)
class Running:
    """Environment of the service's processes, and the values of its template (see ``resources.create``)."""

    environment: dict[str, str]
    values: dict[str, str]

    def write(self, folder: DataFolder) -> None:
        """Store this for the other processes."""
        write_json(folder.service, asdict(self))

    @classmethod
    def read(cls, folder: DataFolder) -> "Running":
        """Read the launcher's file. Raises NotRunningError when no service runs on the folder."""
        if not folder.is_in_use() or not folder.service.exists():
            raise NotRunningError(f"No service runs on {folder.root}; start it with `make run`, or name its DATA_DIR.")
        return cls(**read_json(folder.service))

    def enter(self) -> None:
        """Apply its environment to this process. Raises NotLocalError for a remote endpoint."""
        environment.enter(self.environment)


@dataclass(frozen=True)
class Function:
    """A deployed function."""

    name: str
    handler: Callable[[Any, Any], Any]
    seconds: int
    batch_size: int

    def invoke(self, event: Any) -> Any:
        """Call the function with an event as Lambda does, and return its result, which must be JSON."""
        context = LambdaContext(self.name, _MEMORY, max_runtime_ms=self.seconds * 1000)
        context.invoked_function_arn = f"arn:aws:lambda:us-east-1:000000000000:function:{self.name}"
        return json.loads(json.dumps(self.handler(event, context)))


def functions(app: Any) -> dict[str, Function]:
    """Return all functions of the Chalice app except the API, by their logical ids in the template."""
    found = {}
    limits = _limits()
    for entry in (*app.pure_lambda_functions, *app.event_sources):
        module, _, attribute = entry.handler_string.rpartition(".")
        found[logical_id(entry.name)] = Function(
            entry.name,
            getattr(importlib.import_module(module), attribute),
            limits.get(entry.name, _LONGEST_SECONDS),
            getattr(entry, "batch_size", 1),
        )
    return found


def _limits() -> dict[str, int]:
    config = read_json(ROOT / ".chalice" / "config.json") or {}
    return {
        name: function["lambda_timeout"]
        for stage in config.get("stages", {}).values()
        for name, function in stage.get("lambda_functions", {}).items()
        if "lambda_timeout" in function
    }
