"""Settings of the deployment, read from the environment once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

QUEUES = (
    "urgent_mail",
    "password_mail",
    "bulk_mail",
    "imports",
    "erasures",
    "documents",
    "deliveries",
    "coverage",
    "planning",
    "reminders",
)
"""The queues of the deployment. ``tasks.kinds`` says which tasks each brings."""
MAIL_MODES = ("capture", "redirect", "allowlist", "live")
_MIN_SIGNING_KEY_LENGTH = 32
LOCAL_DEPLOYMENT = "local"
"""What ``make run`` calls its deployment; infra/resources.yaml lets no other have that name."""


class ConfigurationError(Exception):
    """The environment is incomplete or contradictory; the message names every variable at fault."""


@dataclass(frozen=True)
class Settings:
    """What the deployment is told from outside."""

    deployment: str
    table_name: str
    bucket_name: str
    queue_urls: Mapping[str, str]
    """By the names of ``QUEUES``."""
    mail_mode: str
    mail_redirect_to: str
    mail_allowlist: tuple[str, ...]
    ses_configuration_set: str
    public_url: str
    signing_key: str
    allowed_origins: tuple[str, ...]
    log_level: str
    session_idle_minutes: int
    staff_entity_id: str
    """The issuing entity in whose name staff get their sign-in mails; empty: the first there is."""

    @property
    def is_local(self) -> bool:
        """Tell whether this is the service of ``make run``, in which time may be moved at will."""
        return self.deployment == LOCAL_DEPLOYMENT

    @classmethod
    def from_env(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Read the settings from ``environment`` (the process's own by default).

        Raises ConfigurationError that names every missing or wrong variable at once.
        """
        source = os.environ if environment is None else environment
        faults: list[str] = []

        def required(name: str) -> str:
            value = source.get(name, "").strip()
            if not value:
                faults.append(f"{name} is missing")
            return value

        def listed(name: str) -> tuple[str, ...]:
            return tuple(part.strip() for part in source.get(name, "").split(",") if part.strip())

        def whole(name: str, otherwise: int) -> int:
            value = source.get(name, "").strip()
            if value and not (value.isascii() and value.isdigit() and int(value) > 0):
                faults.append(f"{name} is {value!r}, not a whole number above 0")
                return otherwise
            return int(value) if value else otherwise

        settings = cls(
            deployment=required("DEPLOYMENT"),
            table_name=required("TABLE_NAME"),
            bucket_name=required("BUCKET_NAME"),
            queue_urls={name: required(f"{name.upper()}_QUEUE_URL") for name in QUEUES},
            mail_mode=source.get("MAIL_MODE", "").strip() or "capture",
            mail_redirect_to=source.get("MAIL_REDIRECT_TO", "").strip(),
            mail_allowlist=tuple(part.lower() for part in listed("MAIL_ALLOWLIST")),
            ses_configuration_set=source.get("SES_CONFIGURATION_SET", "").strip(),
            public_url=required("PUBLIC_URL").rstrip("/"),
            signing_key=required("SIGNING_KEY"),
            allowed_origins=listed("ALLOWED_ORIGINS"),
            log_level=source.get("LOG_LEVEL", "").strip() or "INFO",
            session_idle_minutes=whole("SESSION_IDLE_MINUTES", 60),
            staff_entity_id=source.get("STAFF_ENTITY_ID", "").strip(),
        )
        if settings.mail_mode not in MAIL_MODES:
            faults.append(f"MAIL_MODE is {settings.mail_mode!r}, not one of {', '.join(MAIL_MODES)}")
        if settings.mail_mode == "redirect" and not settings.mail_redirect_to:
            faults.append("MAIL_REDIRECT_TO is missing, which MAIL_MODE=redirect needs")
        if settings.mail_mode == "allowlist" and not settings.mail_allowlist:
            faults.append("MAIL_ALLOWLIST is missing, which MAIL_MODE=allowlist needs")
        if settings.signing_key and len(settings.signing_key) < _MIN_SIGNING_KEY_LENGTH:
            faults.append(f"SIGNING_KEY has fewer than {_MIN_SIGNING_KEY_LENGTH} characters")
        if faults:
            raise ConfigurationError("The environment is not complete: " + "; ".join(faults) + ".")
        return settings


@cache
def settings() -> Settings:
    """Return the settings of this process, cached. ``settings.cache_clear()`` drops them (tests, snapshots)."""
    return Settings.from_env()
