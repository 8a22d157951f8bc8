"""The data folder of the local service, which holds all its data."""

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
        """Return the folder that ``DATA_DIR`` names, else the user's XDG data folder."""
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
        """The sent emails, one file each."""
        return self.root / "mails"

    @property
    def imports(self) -> Path:
        """What imports found, one CSV file each."""
        return self.root / "imports"

    @property
    def logs(self) -> Path:
        """One log per process."""
        return self.root / "logs"

    @property
    def clock(self) -> Path:
        """The offset of the service's clock from the machine's."""
        return self.root / "clock.json"

    @property
    def last_write(self) -> Path:
        """The instant of the latest write, by the clock of the service."""
        return self.root / "last-write"

    @property
    def sample_loaded(self) -> Path:
        """Exists when the sample data is loaded."""
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
        """Environment and resources of the running service, for its processes."""
        return self.root / "service.json"

    def prepare(self) -> None:
        """Create the folder, readable by its owner only. Raises FolderError if that fails."""
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
        """Lock the folder against other local services. Raises FolderError when one uses it already."""
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
        """Return the signing key of this installation, created once."""
        file = self.root / "signing-key"
        if not file.exists():
            write(file, secrets.token_hex(32))
        return file.read_text(encoding="ascii")


def write(file: Path, text: str) -> None:
    """Write a file atomically, readable by its owner only."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    with os.fdopen(descriptor, "w", encoding="utf-8") as temporary:
        temporary.write(text)
    Path(name).replace(file)


def write_json(file: Path, value: Any) -> None:
    """Write a value as JSON, atomically."""
    write(file, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def read_json(file: Path) -> Any:
    """Read a JSON file; None when there is none."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
