"""Who really gets a mail: not whose address is suppressed (I6), nor whom the mail mode leaves out (I7)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from chalicelib.mail import reports
from chalicelib.mail.reports import RecipientReport

SUPPRESSED = "suppressed"
NOT_ALLOWED = "not_on_allowlist"
CAPTURE = "mail_mode_capture"
REDIRECT = "mail_mode_redirect"
WITHHELD = "withheld"


@dataclass(frozen=True)
class Recipients:
    """The actual recipients of an email. Without any, it stays here, for ``reason``."""

    to: tuple[str, ...]
    cc: tuple[str, ...] = ()
    meant_for: tuple[str, ...] = ()
    """The original recipients, if the mail mode redirects the email."""
    reason: str = ""
    withheld: Mapping[str, str] = field(default_factory=dict)
    """By address, why an original recipient does not get it."""
    redirected_to: str | None = None

    @property
    def count(self) -> int:
        """Return the number of recipients."""
        return len(self.to) + len(self.cc)


@dataclass(frozen=True)
class RecipientStatus:
    """The status of an email for one original recipient.

    ``status`` is that of the email if nothing is known about this recipient, or ``withheld`` for a ``reason``:
    ``suppressed``, ``not_on_allowlist``, ``mail_mode_redirect``. ``at`` is an ISO 8601 instant in UTC.
    """

    email: str
    cc: bool
    status: str
    reason: str | None = None
    at: str | None = None
    detail: str = ""


class _Mail(Protocol):
    """The part of an email that decides the status of its recipients."""

    @property
    def to(self) -> tuple[str, ...]: ...
    @property
    def cc(self) -> tuple[str, ...]: ...
    @property
    def status(self) -> str: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def sent_at(self) -> datetime | None: ...
    @property
    def recipients(self) -> tuple[RecipientReport, ...]: ...
    @property
    def withheld(self) -> Mapping[str, str]: ...


def choose_recipients(
    mode: str,
    to: tuple[str, ...],
    cc: tuple[str, ...],
    *,
    suppressed: Collection[str] = (),
    redirect_to: str = "",
    allowlist: tuple[str, ...] = (),
) -> Recipients:
    """Decide the actual recipients. The allowlist holds addresses and domains.

    If nobody in To is left, those in Cc move up.
    """
    withheld = {address: SUPPRESSED for address in (*to, *cc) if address in suppressed}
    left = tuple(address for address in (*to, *cc) if address not in withheld)
    if not left or (mode == "redirect" and redirect_to in suppressed):
        return Recipients((), reason=SUPPRESSED, withheld=withheld)
    if mode == "live":
        return _build_recipients(to, cc, withheld)
    if mode == "redirect":
        withheld |= dict.fromkeys(left, REDIRECT)
        return Recipients((redirect_to,), (), (*to, *cc), withheld=withheld, redirected_to=redirect_to)
    if mode == "allowlist":
        barred = [address for address in left if not _is_allowed(address, allowlist)]
        withheld |= dict.fromkeys(barred, NOT_ALLOWED)
        if len(barred) == len(left):
            return Recipients((), reason=NOT_ALLOWED, withheld=withheld)
        return _build_recipients(to, cc, withheld, meant_for=(*to, *cc) if barred else ())
    return Recipients((), reason=CAPTURE, withheld=withheld)


def _build_recipients(
    to: tuple[str, ...], cc: tuple[str, ...], withheld: Mapping[str, str], meant_for: tuple[str, ...] = ()
) -> Recipients:
    to = tuple(address for address in to if address not in withheld)
    cc = tuple(address for address in cc if address not in withheld)
    if not to:
        to, cc = cc, ()
    return Recipients(to, cc, meant_for, withheld=withheld)


def _is_allowed(address: str, allowlist: tuple[str, ...]) -> bool:
    wanted = address.lower()
    domain = wanted.rpartition("@")[2]
    return any(entry.lower() in {wanted, domain, f"@{domain}"} for entry in allowlist)


def recipient_statuses(email: _Mail) -> tuple[RecipientStatus, ...]:
    """Return the status of each original recipient, in order."""
    known = {one.email: one for one in email.recipients if one.kinds}
    found = []
    for address, cc in [*((one, False) for one in email.to), *((one, True) for one in email.cc)]:
        if address in known:
            kind = known[address].gravest
            at, detail = known[address].kinds[kind]
            found.append(RecipientStatus(address, cc, *reports.status_of_report(kind), at, detail))
        elif address in email.withheld:
            found.append(RecipientStatus(address, cc, WITHHELD, email.withheld[address]))
        else:
            found.append(RecipientStatus(address, cc, *_own_status(email)))
    return tuple(found)


def _own_status(email: _Mail) -> tuple[str, str | None, str | None]:
    """Return the status of the email itself, apart from events about other recipients."""
    at = email.sent_at.isoformat() if email.sent_at else None
    if reports.status_severity(email.status, email.reason):
        return reports.SENT, None, at
    return email.status, email.reason, at
