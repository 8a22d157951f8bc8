"""Load the app once and run it in forked processes: a few for HTTP, one for each queue, topic and schedule."""

import argparse
import importlib
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from infra.local import dispatcher, processes
from infra.local.folder import DataFolder
from infra.local.gateway import Gateway, Server
from infra.local.inbox import Inbox
from infra.local.running import Function, Running, functions
from infra.local.service_clock import ServiceClock
from infra.local.template import Template

_HTTP_PROCESSES = 3
_PAUSE_BEFORE_RESTART_SECONDS = 1.0
_END_SECONDS = 20.0

APP_FAILS = 3
"""Exit status when the app cannot be loaded: a retry is useless until its code changes."""

Task = Callable[[], None]


def main() -> int:
    """Run until SIGTERM, restarting children that crash."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--descriptor", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    processes.begin()
    folder = DataFolder(options.folder)
    running = Running.read(folder)
    running.enter()
    clock = ServiceClock(folder).install()
    try:
        app = importlib.import_module("app").app
        tasks = _tasks(functions(app), Template.read(), running)
    except Exception as error:
        traceback.print_exc()
        processes.say(f"The app does not start: {type(error).__name__}: {error} (see {folder.logs})")
        return APP_FAILS
    listener = socket.socket(fileno=options.descriptor)
    http = partial(_serve_http, listener, Gateway(app, Template.read()), folder, clock)
    return _run([http] * _HTTP_PROCESSES + tasks)


def _tasks(known: dict[str, Function], template: Template, running: Running) -> list[Task]:
    values = running.values
    calls: list[tuple[str, Callable[..., None], tuple[Any, ...]]] = [
        (event.function, dispatcher.serve_queue, (values[event.queue], values[f"{event.queue}.Arn"]))
        for event in template.queue_events()
    ]
    calls += [
        (event.function, dispatcher.serve_topic, (values[f"{event.function}.Events"],))
        for event in template.topic_events()
    ]
    calls += [
        (event.function, dispatcher.serve_schedule, (event.seconds, event.input))
        for event in template.schedule_events()
    ]
    for function, _, _ in calls:
        if function not in known:
            processes.say(f"The template wakes {function}, but the app has no function of that name.")
    return [partial(serve, known[function], *rest) for function, serve, rest in calls if function in known]


def _serve_http(listener: socket.socket, gateway: Gateway, folder: DataFolder, clock: ServiceClock) -> None:
    server = Server(listener, gateway, Inbox(folder.mails, os.environ["AWS_ENDPOINT_URL_SESV2"]), clock)

    def end(*_: object) -> None:
        server.wait_for_answers(_END_SECONDS)
        processes.leave(0)

    signal.signal(signal.SIGTERM, end)
    server.serve_forever(poll_interval=1)


def _run(tasks: list[Task]) -> int:
    running = {_fork(task): task for task in tasks}
    ending = False

    def end(*_: object) -> None:
        nonlocal ending
        ending = True
        for pid in list(running):
            os.kill(pid, signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
    while running:
        pid, status = os.wait()
        task = running.pop(pid, None)
        if task is None or ending:
            continue
        processes.say(f"A process ended with {os.waitstatus_to_exitcode(status)}; it is started again.")
        time.sleep(_PAUSE_BEFORE_RESTART_SECONDS)
        if not ending:
            running[_fork(task)] = task
    return 0


def _fork(task: Task) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        processes.end_with_parent(parent)
        task()
        status = 0
    except SystemExit as leaving:
        status = int(leaving.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        processes.leave(status)


if __name__ == "__main__":
    sys.exit(main())
