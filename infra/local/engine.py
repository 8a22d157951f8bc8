"""The local engine instead of AWS: MiniStack in its own process, on 127.0.0.1, with its state on disk.

MiniStack saves its state on a clean exit. This launcher also saves it every few seconds while there are writes, from a
forked copy of the process, which blocks nobody. If nobody needs the state later, nothing is saved: copies of a large
table take time and memory.
"""

import argparse
import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local import processes

HOST = "127.0.0.1"
REGION = "us-east-1"
SECRET = "test"
"""The secret that the engine accepts for any account; it verifies presigned URLs with it."""
_START_SECONDS = 60.0
_STOP_SECONDS = 60.0
_SAVE_EVERY_SECONDS = 2.0
_SAVE_SHARE = 10
"""Saving may take at most this fraction (one in …) of one core's time."""
_READING_OPERATIONS = ("Get", "BatchGet", "Query", "Scan", "TransactGet", "Describe", "List", "Receive")


class EngineError(Exception):
    """The engine did not start; the message names its log."""


@dataclass(frozen=True)
class Engine:
    """A running engine."""

    url: str
    process: "subprocess.Popen[bytes]"

    def stop(self) -> None:
        """Stop the engine, which saves its state."""
        processes.stop(self.process, _STOP_SECONDS)


def start(
    state: Path, logs: Path, environment: Mapping[str, str] | None = None, port: int = 0, *, saves: bool = True
) -> Engine:
    """Start an engine with its state in the folder ``state``, on ``port`` if that is free, and wait until it answers.

    Without ``saves`` table and queues are lost when it ends. Raises EngineError when it does not answer.
    """
    listener = _listen(port)
    number = listener.getsockname()[1]
    url = f"http://{HOST}:{number}"
    process = processes.start(
        "engine",
        "infra.local.engine",
        ["--descriptor", str(listener.fileno()), "--state", str(state), *(["--saves"] if saves else [])],
        logs=logs,
        environment={**(os.environ if environment is None else environment), **_settings(state, number, saves)},
        descriptors=(listener.fileno(),),
    )
    listener.close()
    engine = Engine(url, process)
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(urllib.error.URLError, OSError):
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{url}/_ministack/health")
            return engine
        time.sleep(0.05)
    engine.stop()
    raise EngineError(f"The local engine does not start; its log is {logs / 'engine.log'}.")


def _listen(port: int) -> socket.socket:
    for number in (port, 0):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, number))
        except OSError:
            listener.close()
            continue
        listener.listen(128)
        return listener
    raise EngineError(f"There is no free port on {HOST} for the local engine.")


def _settings(state: Path, port: int, saves: bool) -> dict[str, str]:
    return {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": HOST,
        "MINISTACK_REGION": REGION,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "LAMBDA_EXECUTOR": "local",
        "PERSIST_STATE": "1" if saves else "0",
        "STATE_DIR": str(state / "services"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(state / "s3"),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        "DOCKER_HOST": "unix:///nonexistent",
    }


def main() -> None:
    """Run the engine until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--descriptor", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--saves", action="store_true")
    options = parser.parse_args()
    processes.begin()
    options.state.mkdir(parents=True, exist_ok=True)
    with (options.state / "lock").open("w") as lock:
        # The engine of an earlier run may still be saving.
        fcntl.flock(lock, fcntl.LOCK_EX)
        asyncio.run(_serve(options.descriptor, options.saves))


async def _serve(descriptor: int, saves: bool) -> None:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack import app as ministack  # type: ignore[import-untyped]

    ended = asyncio.Event()
    written = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)

    async def application(scope: Any, receive: Any, send: Any) -> None:
        try:
            await ministack.app(scope, receive, send)
        finally:
            if scope["type"] == "http" and not _reads(scope):
                written.set()

    config = Config()
    config.bind = [f"fd://{descriptor}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1
    config.loglevel = "WARNING"
    saver = asyncio.create_task(_save_now_and_then(ministack, written, ended) if saves else ended.wait())

    async def wait_for_end() -> None:
        await ended.wait()
        await saver  # A copy that is still saving must not overwrite the last save.

    await serve(application, config, shutdown_trigger=wait_for_end)


def _reads(scope: Mapping[str, Any]) -> bool:
    target = next((value for name, value in scope["headers"] if name == b"x-amz-target"), b"").decode()
    if target:
        return target.rpartition(".")[2].startswith(_READING_OPERATIONS)
    return scope["method"] in {"GET", "HEAD"}


async def _save_now_and_then(ministack: Any, written: asyncio.Event, ended: asyncio.Event) -> None:
    """Save after writes. Items change only between two awaits, so a fork made here is consistent."""
    while not await _within(ended, 0.1):
        if not written.is_set():
            continue
        written.clear()
        began = time.monotonic()
        child = os.fork()
        if child == 0:
            _save_and_leave(ministack)
        while os.waitpid(child, os.WNOHANG) == (0, 0):
            await asyncio.sleep(0.05)
        await _within(ended, max(_SAVE_EVERY_SECONDS, (time.monotonic() - began) * _SAVE_SHARE))


async def _within(event: asyncio.Event, seconds: float) -> bool:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()


def _save_and_leave(ministack: Any) -> None:
    try:
        signal.alarm(120)
        os.nice(5)
        ministack.save_all(ministack._build_persistence_save_dict())
    finally:
        processes.leave(0)


if __name__ == "__main__":
    main()
