"""The data folder of the local service: everything that it keeps is in there, and nothing anywhere else."""

import contextlib
import fcntl
import json
import os
import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class FolderError(Exception):
    """The data folder cannot be used; the message is for the user."""


@dataclass(frozen=True)
class DataFolder:
    """The folder ``root`` and the files in it."""

    root: Path

    @classmethod
    def chosen(cls) -> "DataFolder":
        """Return the folder that ``DATA_DIR`` names, or else the one of the user's that XDG names."""
        given = os.environ.get("DATA_DIR", "").strip()
        if given:
            return cls(Path(given).expanduser().absolute())
        home = os.environ.get("XDG_DATA_HOME", "").strip() or "~/.local/share"
        return cls(Path(home).expanduser().absolute() / "counterfoil")

    @property
    def engine(self) -> Path:
        """State of the engine."""
        return self.root / "engine"

    @property
    def mails(self) -> Path:
        """The mails that were sent, a file each."""
        return self.root / "mails"

    @property
    def logs(self) -> Path:
        """One log a process."""
        return self.root / "logs"

    @property
    def clock(self) -> Path:
        """How far the clock of the service stands from that of the machine."""
        return self.root / "clock.json"

    @property
    def last_write(self) -> Path:
        """The newest instant, by the clock of the service, at which somebody wrote."""
        return self.root / "last-write"

    @property
    def sample_loaded(self) -> Path:
        """Is there when the sample data was loaded."""
        return self.root / "sample-loaded"

    @property
    def api_key(self) -> Path:
        """The first API key."""
        return self.root / "api-key"

    @property
    def local(self) -> Path:
        """Addresses and the first API key, for people and tools."""
        return self.root / "local.json"

    @property
    def service(self) -> Path:
        """Environment and resources of the running service, for its own processes."""
        return self.root / "service.json"

    def prepare(self) -> None:
        """Make the folder, readable by its owner only. Raises FolderError where that fails."""
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            for part in (self.engine, self.mails, self.logs):
                part.mkdir(exist_ok=True, mode=0o700)
            with tempfile.TemporaryFile(dir=self.root):
                pass
        except OSError as error:
            raise FolderError(
                f"The folder {self.root} cannot be written ({error.strerror}); choose another with DATA_DIR=…."
            ) from error

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep every other local service out of the folder. Raises FolderError when one is in it already."""
        with (self.root / "lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise FolderError(
                    f"The service already runs on {self.root} (process {lock.read().strip() or 'unknown'}); "
                    "end that one first, or choose another folder with DATA_DIR=…."
                ) from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def is_in_use(self) -> bool:
        """Tell whether a local service runs on the folder."""
        try:
            with (self.root / "lock").open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def signing_key(self) -> str:
        """Return the signing key of this installation, made once."""
        file = self.root / "signing-key"
        if not file.exists():
            write(file, secrets.token_hex(32))
        return file.read_text(encoding="ascii")


def write(file: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    with os.fdopen(descriptor, "w", encoding="utf-8") as temporary:
        temporary.write(text)
    Path(name).replace(file)


def write_json(file: Path, value: Any) -> None:
    """Write a value as JSON, whole or not at all."""
    write(file, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def read_json(file: Path) -> Any:
    """Read a JSON file; None when there is none."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
