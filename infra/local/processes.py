"""Child processes that log to a file and never outlive their parent."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from infra.local.template import ROOT

_PR_SET_PDEATHSIG = 1
_terminal: int | None = None


def start(
    name: str,
    module: str,
    arguments: Sequence[str],
    *,
    logs: Path,
    environment: Mapping[str, str],
    descriptors: Sequence[int] = (),
) -> "subprocess.Popen[bytes]":
    """Start ``python -m module``, in a session of its own so that Ctrl-C reaches only the launcher.

    Its stdout goes to ``<logs>/<name>.log``; its stderr stays the terminal, see ``say``.
    """
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            env={**environment, "LOCAL_PARENT": str(os.getpid()), "PYTHONUNBUFFERED": "1"},
            cwd=ROOT,
            pass_fds=descriptors,
            start_new_session=True,
        )


def begin() -> None:
    """First call of a child: end with its parent, log stray errors, keep the terminal for ``say``."""
    global _terminal
    end_with_parent(int(os.environ.pop("LOCAL_PARENT", "0")))
    _terminal = os.dup(2)
    os.dup2(1, 2)


def say(text: str) -> None:
    """Print one line to the terminal of ``make run``, even from a child whose output is logged."""
    line = f"{text}\n".encode()
    try:
        os.write(2 if _terminal is None else _terminal, line)
    except OSError:
        return  # The terminal is closed; the log has the details.


def end_with_parent(parent: int) -> None:
    """Request SIGTERM when the parent ends, however it ends. 0: no parent."""
    if not parent:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    else:
        threading.Thread(target=_watch_parent, args=(parent,), daemon=True).start()
    if os.getppid() != parent:
        leave(1)


def leave(status: int) -> NoReturn:
    """End this process at once, without interpreter clean-up."""
    os._exit(status)


def stop(process: "subprocess.Popen[bytes]", seconds: float) -> None:
    """End a child: SIGTERM, then SIGKILL if it still runs after ``seconds``."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)
