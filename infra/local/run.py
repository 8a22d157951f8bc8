"""``make run``: start everything, print the addresses, and stop everything.

Processes: the engine, the stand-in for SES, and the workers (infra/local/workers.py), which restart when
the code of the service changes.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from infra.local import engine, environment, first_start, processes, resources
from infra.local.engine import HOST, Engine, EngineError
from infra.local.environment import NotLocalError
from infra.local.first_start import FirstStartError
from infra.local.folder import DataFolder, FolderError, read_json
from infra.local.processes import say
from infra.local.running import Running
from infra.local.template import ROOT, Template, TemplateError
from infra.local.workers import APP_FAILS

_END_SECONDS = 25.0
_LOOK_SECONDS = 0.5
_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PREFIX = "counterfoil-local"


class RunError(Exception):
    """The service cannot run; the message is for the user."""


class Ended(Exception):
    """Somebody asked the service to end."""


def main() -> int:
    """Run until Ctrl-C or SIGTERM. The exit status is 1 when the service cannot run."""
    if os.environ.pop("END_WITH_PARENT", ""):
        processes.end_with_parent(os.getppid())
    for number in _ENDING_SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN or number != signal.SIGHUP:  # nohup ignores SIGHUP.
            signal.signal(number, _end)
    try:
        _run(DataFolder.chosen(), _port())
    except Ended:
        return 0
    except (RunError, FolderError, EngineError, FirstStartError, NotLocalError, TemplateError) as error:
        say(str(error))
        return 1
    return 0


def _end(number: int, frame: FrameType | None) -> None:
    # A second Ctrl-C must not disturb the shutdown.
    for other in _ENDING_SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    raise Ended


def _port() -> int:
    text = os.environ.get("PORT", "").strip() or "8000"
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise RunError(f"PORT={text} is not a port; choose a number between 1 and 65535.")
    return int(text)


def _run(folder: DataFolder, port: int) -> None:
    environment.base(f"http://{HOST}")  # Rejects a remote DynamoDB engine before anything starts.
    folder.prepare()
    with folder.alone(), _listen(port) as api, _listen(0) as ses:
        service = Service(folder, api, ses)
        try:
            service.start()
            service.watch()
        except Ended:
            say("Ending …")
            raise
        finally:
            service.stop()


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise RunError(
            f"Port {port} on {HOST} cannot be used ({error.strerror}); choose another with PORT=…."
        ) from error
    listener.listen(128)
    return listener


class Service:
    """The processes of one local service."""

    def __init__(self, folder: DataFolder, api: socket.socket, ses: socket.socket) -> None:
        """Prepare to serve on the two listening sockets."""
        self._folder = folder
        self._api = api
        self._ses = ses
        self._url = f"http://{HOST}:{api.getsockname()[1]}"
        self._engine: Engine | None = None
        self._mailbox: subprocess.Popen[bytes] | None = None
        self._workers: subprocess.Popen[bytes] | None = None
        self._code = _code_times()

    def start(self) -> None:
        """Start every process, and do the work of a first start. Raises RunError when the app fails."""
        say(f"Starting on {self._folder.root} …")
        before = read_json(self._folder.service) or {"environment": {}}
        old_port = before["environment"].get("AWS_ENDPOINT_URL", "").rpartition(":")[2]
        self._engine = engine.start(
            self._folder.engine, self._folder.logs, port=int(old_port) if old_port.isdigit() else 0
        )
        template = Template.read()
        base = environment.base(self._engine.url, f"http://{HOST}:{self._ses.getsockname()[1]}")
        values = resources.create(resources.Clients(base), template, _PREFIX)
        self._write_environment(base, template, values)
        self._mailbox = self._child("mailbox", "infra.local.ses", self._ses)
        self._start_workers()
        self._wait_until_healthy()
        key = first_start.api_key(self._folder, self._url)
        staff_email = first_start.staff_member(self._folder)
        if first_start.load_sample(self._folder, self._url, key):
            # The processes have cached the entities of the sample with mail off.
            self._write_environment(base, template, values)
            self._restart_workers()
            self._wait_until_healthy()
            first_start.send_first_emails(self._folder, self._url, key)
        _show(first_start.write_local(self._folder, self._url, key, staff_email), self._folder.root)

    def watch(self) -> None:
        """Watch the processes, and reload changed code. Raises RunError when the engine ends."""
        while True:
            time.sleep(_LOOK_SECONDS)
            engine_process = None if self._engine is None else self._engine.process
            for name, child in (("engine", engine_process), ("mailbox", self._mailbox)):
                if child is not None and child.poll() is not None:
                    raise RunError(f"The {name} has ended by itself; its log is {self._folder.logs / name}.log.")
            times = _code_times()
            if times != self._code:
                self._code = times
                say("The code has changed; the service is started again.")
                self._restart_workers()
            elif self._workers is not None and self._workers.poll() not in (None, APP_FAILS):
                say("The workers have ended by themselves; they are started again.")
                self._start_workers()

    def stop(self) -> None:
        """Stop every process; the engine last, which saves its state."""
        for child in (self._workers, self._mailbox):
            if child is not None:
                processes.stop(child, _END_SECONDS)
        if self._engine is not None:
            self._engine.stop()

    def _write_environment(self, base: dict[str, str], template: Template, values: dict[str, str]) -> None:
        own = {
            "DEPLOYMENT": "local",
            "MAIL_MODE": "live",
            "PUBLIC_URL": self._url,
            "SIGNING_KEY": self._folder.signing_key(),
            "STAFF_ENTITY_ID": first_start.STAFF_ENTITY if self._folder.sample_loaded.exists() else "",
        }
        Running(environment.service(base, template, values, own), values).write(self._folder)

    def _start_workers(self) -> None:
        self._workers = self._child("workers", "infra.local.workers", self._api)

    def _restart_workers(self) -> None:
        if self._workers is not None:
            processes.stop(self._workers, _END_SECONDS)
        self._start_workers()

    def _wait_until_healthy(self) -> None:
        first_start.wait_until_healthy(self._url, self._is_working)
        if not self._is_working():
            raise RunError(f"The service does not start; its log is {self._folder.logs / 'workers.log'}.")

    def _is_working(self) -> bool:
        return self._workers is not None and self._workers.poll() is None

    def _child(self, name: str, module: str, listener: socket.socket) -> "subprocess.Popen[bytes]":
        arguments = ["--descriptor", str(listener.fileno()), "--folder", str(self._folder.root)]
        descriptors = (listener.fileno(),)
        return processes.start(
            name,
            module,
            arguments,
            logs=self._folder.logs,
            environment=os.environ,
            descriptors=descriptors,
        )


def _code_times() -> dict[Path, int]:
    """Return the modification time of each file of the service's code."""
    files = [ROOT / "app.py", *(ROOT / "chalicelib").rglob("*")]
    times = {}
    for file in files:
        if file.suffix == ".pyc" or file.name.startswith(".") or not file.is_file():
            continue
        times[file] = file.stat().st_mtime_ns
    return times


def _show(local: dict[str, str], root: Path) -> None:
    say("")
    say("Counterfoil runs here. Ctrl-C ends it; its data stays.")
    for name in ("api", "portal", "admin", "inbox", "api_key", "portal_email", "staff_email"):
        say(f"  {name.replace('_', ' '):<12} {local[name]}")
    say(f"  {'data':<12} {root} (the lines above are in local.json, the logs in logs/)")
    say("")


if __name__ == "__main__":
    sys.exit(main())
