"""``make invoke FUNCTION=… EVENT='{…}'``: invoke a console function as in the AWS console.

stdout has the result only; logs and metrics go to stderr.
"""

import contextlib
import importlib
import json
import os
import sys
from typing import Any

from infra.local.environment import NotLocalError
from infra.local.folder import DataFolder
from infra.local.running import NotRunningError, Running, functions
from infra.local.service_clock import ServiceClock


class InvokeError(Exception):
    """The function was not called; the message is for the user."""


def invoke(folder: DataFolder, name: str, text: str) -> Any:
    """Call the function ``name`` with the JSON ``text`` in this process, on the running service.

    Raises InvokeError, NotRunningError or NotLocalError when it cannot be called.
    """
    try:
        event = json.loads(text or "{}")
    except json.JSONDecodeError as error:
        raise InvokeError(f"EVENT is not JSON: {error}.") from error
    running = Running.read(folder)
    running.enter()
    clock = ServiceClock(folder).install()
    found = functions(importlib.import_module("app").app)
    known = {function.name: function for function in found.values()}
    if name not in known:
        problem = f"There is no function {name!r}" if name else "FUNCTION is missing"
        offered = sorted(one.name for one in found.values() if one.is_console)
        raise InvokeError(f"{problem}; say FUNCTION= and one of: {', '.join(offered)}.")
    try:
        return known[name].invoke(event)
    finally:
        clock.note_write()


def main() -> int:
    """Call FUNCTION with EVENT, both from the environment, and print the result as JSON.

    The exit status is 1 when the function fails or is not called.
    """
    try:
        # Loggers bind to the stdout of the moment when the application is imported, which happens here.
        with contextlib.redirect_stdout(sys.stderr):
            result = invoke(DataFolder.chosen(), os.environ.get("FUNCTION", ""), os.environ.get("EVENT", ""))
    except (InvokeError, NotRunningError, NotLocalError) as error:
        print(error, file=sys.stderr)
        return 1
    except Exception as error:
        # The AWS console shows the same two lines.
        shown = {"errorType": type(error).__name__, "errorMessage": str(error)}
        print(json.dumps(shown, ensure_ascii=False, indent=2), file=sys.stderr)
        return 1
    print(json.dumps(result, ensure_ascii=False, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
