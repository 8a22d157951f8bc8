"""Work of a start besides starting processes: the first API key and staff member, local.json, the sample data and its
emails."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from chalicelib.permissions import SCOPES
from infra.local.folder import DataFolder, write, write_json
from infra.local.processes import say
from infra.local.sample import load
from infra.local.sample.first_emails import PORTAL_EMAIL, FirstEmails
from infra.local.service_clock import ServiceClock
from infra.local.template import ROOT

STAFF_EMAIL = "staff@vendor.example"
STAFF_ENTITY = "lanternfield-us"
"""The issuing entity of the sample data whose name is on emails to staff."""
_HEALTHY_SECONDS = 60.0
_KEY_NAME = "local"

# Local requests never use a proxy.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_direct.addheaders = [("User-Agent", load.USER_AGENT)]


class FirstStartError(Exception):
    """The service runs but has no API key or no staff; the message is for the user."""


def wait_until_healthy(url: str, is_working: Callable[[], bool]) -> None:
    """Wait until the service answers, its process has ended, or a minute has passed."""
    deadline = time.monotonic() + _HEALTHY_SECONDS
    while time.monotonic() < deadline and is_working():
        try:
            _direct.open(f"{url}/v1/health", timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return


def api_key(folder: DataFolder, url: str) -> str:
    """Return the first API key: that of an earlier start if it still has all scopes, else a new one."""
    if folder.api_key.exists():
        key = folder.api_key.read_text(encoding="ascii")
        if _may_everything(url, key):
            return key
        say("The API key of an earlier start is not valid or lacks scopes of today; a new one is made.")
    key = _create_api_key(folder)
    write(folder.api_key, key)
    return key


def staff_member(folder: DataFolder) -> str:
    """Return the email address of an admin, created if there is none yet."""
    event = {"email": STAFF_EMAIL, "name": "Local Staff", "role": "admin", "confirm": True}
    told: Any = invoke_in_process(folder, "create_staff_member", event)
    if not told["ok"] and told["refused"]["code"] != "staff_exists":
        raise FirstStartError(f"The first staff member could not be made: {json.dumps(told)}")
    return STAFF_EMAIL


def write_local(folder: DataFolder, url: str, key: str, staff_email: str) -> dict[str, str]:
    """Write ``local.json``, which signals that everything is ready, and return its content."""
    local = {
        "api": url,
        "portal": f"{url}/portal",
        "admin": f"{url}/admin",
        "inbox": f"{url}/inbox",
        "api_key": key,
        "portal_email": PORTAL_EMAIL,
        "staff_email": staff_email,
    }
    write_json(folder.local, local)
    return local


def load_sample(folder: DataFolder, url: str, key: str) -> bool:
    """Load the sample data unless it is loaded, and tell whether it was.

    An interrupted load resumes at the next start.
    """
    if folder.sample_loaded.exists():
        return False
    began = time.monotonic()
    try:
        count = load.everything(url, key, ServiceClock(folder).now().date())
    except load.SampleError as error:
        say(f"The sample data is not loaded: {error}")
        return False
    # The clock may be set to before the sample data and its emails: see service_clock.move.
    folder.last_write.unlink(missing_ok=True)
    folder.sample_loaded.touch(mode=0o600)
    say(f"Sample data loaded: {count} items in {time.monotonic() - began:.1f} s.")
    return True


def send_first_emails(folder: DataFolder, url: str, key: str) -> None:
    """Fill the inbox with an email of every kind. What fails is shown, and leaves the service usable."""
    began = time.monotonic()

    def invoke(name: str, event: Any) -> Any:
        return invoke_in_process(folder, name, event)

    try:
        count = FirstEmails(url, key, invoke).send(ServiceClock(folder).now().date())
    except (load.SampleError, FirstStartError) as error:
        say(f"The inbox has not every kind of email: {error}")
    else:
        say(f"The inbox has {count} emails, of every kind, after {time.monotonic() - began:.1f} s.")
    folder.last_write.unlink(missing_ok=True)


def _may_everything(url: str, key: str) -> bool:
    request = urllib.request.Request(f"{url}/v1/me", headers={"Authorization": f"Bearer {key}"})
    try:
        with _direct.open(request, timeout=10) as answer:
            return set(SCOPES) <= set(json.load(answer)["scopes"])
    except urllib.error.HTTPError as error:
        return error.code not in {401, 403}


def _create_api_key(folder: DataFolder) -> str:
    event = {"name": _KEY_NAME, "scopes": list(SCOPES), "confirm": True}
    told: Any = invoke_in_process(folder, "create_api_key", event)
    if not told["ok"]:
        raise FirstStartError(f"The first API key could not be made: {json.dumps(told)}")
    key: str = told["api_key"]
    return key


def invoke_in_process(folder: DataFolder, name: str, event: Any) -> Any:
    """Invoke a console function in its own process, as ``make invoke`` does."""
    environment = {"DATA_DIR": str(folder.root), "FUNCTION": name, "EVENT": json.dumps(event)}
    done = subprocess.run(
        [sys.executable, "-m", "infra.local.invoke"],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise FirstStartError(f"{name} failed: {done.stderr.strip()}")
    return json.loads(done.stdout)
