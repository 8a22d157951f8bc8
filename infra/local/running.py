"""The running local service as its processes know it: environment, resources and functions."""

import importlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from chalice.local import LambdaContext

from infra import CONSOLE_MODULES
from infra.local import environment
from infra.local.folder import DataFolder, read_json, write_json
from infra.local.template import ROOT, logical_id

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
    is_console: bool
    """Whether people invoke it."""

    def invoke(self, event: Any) -> Any:
        """Call the function with an event as Lambda does, and return its result, which must be JSON."""
        context = LambdaContext(self.name, _MEMORY, max_runtime_ms=self.seconds * 1000)
        context.invoked_function_arn = f"arn:aws:lambda:us-east-1:000000000000:function:{self.name}"
        return json.loads(json.dumps(self.handler(event, context)))


def functions(app: Any) -> dict[str, Function]:
    """Return all functions of the Chalice app except the API, by their logical ids in the template."""
    found = {}
    default_seconds, limits = _time_limits()
    for entry in (*app.pure_lambda_functions, *app.event_sources):
        module, _, attribute = entry.handler_string.rpartition(".")
        found[logical_id(entry.name)] = Function(
            entry.name,
            getattr(importlib.import_module(module), attribute),
            limits.get(entry.name, default_seconds),
            getattr(entry, "batch_size", 1),
            entry in app.pure_lambda_functions and module.startswith(CONSOLE_MODULES),
        )
    return found


def _time_limits() -> tuple[int, dict[str, int]]:
    """Return the seconds that a function may run, and those of the functions with a limit of their own."""
    (stage,) = json.loads((ROOT / ".chalice" / "config.json").read_text())["stages"].values()
    own = stage["lambda_functions"].items()
    return stage["lambda_timeout"], {
        name: function["lambda_timeout"] for name, function in own if "lambda_timeout" in function
    }
