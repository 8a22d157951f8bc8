"""The environment of the local service: the same variables as those of the deployed functions."""

import ipaddress
import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from infra.local.engine import REGION, SECRET
from infra.local.template import Template

ACCOUNT_ID = "000000000000"
_LOOPBACK_NAMES = {"localhost"}


class NotLocalError(Exception):
    """An endpoint is not on this machine; the message names the variable."""


def base(endpoint: str, ses_endpoint: str | None = None, given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment without resource names: invalid credentials and local endpoints.

    ``AWS_ENDPOINT_URL_DYNAMODB`` may name another DynamoDB engine. Raises NotLocalError when an endpoint is not on this
    machine, so that the local service never reaches AWS.
    """
    source = os.environ if given is None else given
    environment = {
        "AWS_ACCESS_KEY_ID": ACCOUNT_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": endpoint,
        "NO_PROXY": "127.0.0.1,localhost,::1",
        "no_proxy": "127.0.0.1,localhost,::1",
    }
    if ses_endpoint is not None:
        environment["AWS_ENDPOINT_URL_SESV2"] = ses_endpoint
    if "AWS_ENDPOINT_URL_DYNAMODB" in source:
        environment["AWS_ENDPOINT_URL_DYNAMODB"] = source["AWS_ENDPOINT_URL_DYNAMODB"]
    refuse_remote_endpoints(environment)
    return environment


def service(
    environment: Mapping[str, str], template: Template, values: Mapping[str, str], own: Mapping[str, str]
) -> dict[str, str]:
    """Add to ``environment`` the variables that the template gives to every function, then ``own``.

    ``values`` are those of the resources, as ``resources.create`` returns them.
    """
    powertools = {"POWERTOOLS_SERVICE_NAME": "counterfoil", "POWERTOOLS_METRICS_NAMESPACE": "Counterfoil"}
    return {**environment, **powertools, **template.environment(values), **own}


def enter(environment: Mapping[str, str]) -> None:
    """Apply ``environment`` to this process, replacing every ``AWS_*`` variable.

    Raises NotLocalError when an endpoint in it is not on this machine.
    """
    refuse_remote_endpoints(environment)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(environment)


def refuse_remote_endpoints(environment: Mapping[str, str]) -> None:
    """Raise NotLocalError when an AWS endpoint in ``environment`` is missing or not on this machine."""
    for name in ("AWS_ENDPOINT_URL", *(key for key in environment if key.startswith("AWS_ENDPOINT_URL_"))):
        endpoint = environment.get(name, "")
        if not _is_loopback(urlsplit(endpoint).hostname or ""):
            raise NotLocalError(f"{name} is {endpoint!r}; the local service talks to this machine only.")


def _is_loopback(host: str) -> bool:
    if host in _LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
