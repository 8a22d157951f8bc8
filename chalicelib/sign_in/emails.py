"""Sign-in emails. Their content is resolved when they are claimed."""

from datetime import datetime

from chalicelib import languages
from chalicelib.mail.outbox import Mail
from chalicelib.sessions.known_browsers import KnownBrowser
from chalicelib.sign_in import rules

SIGN_IN = "sign_in"
NOT_YET = "sign_in_not_yet"


def sign_in(email: str, flow_hash: str, browser: KnownBrowser | None) -> Mail:
    """Return the email of a sign-in request: the same for every address. Its claim decides the rest.

    ``browser`` is the one that asks, if it has signed in before; the claim decides whether that was to this address.
    """
    return Mail(
        kind=SIGN_IN,
        entity_id="",
        account_id=None,
        to=(email,),
        locale="en",
        lifetime=rules.LINK_LIFETIME,
        context={"flow": flow_hash, "browser": browser.to_json() if browser else None},
        urgent=True,
        security=True,
    )


def sign_in_context(link: str, code: str, until: datetime, locale: str, time_zone: str) -> dict[str, object]:
    """Return the context of the templates ``sign_in``: the link, the code, and when they expire."""
    return {
        "link": link,
        "code": rules.format_code(code),
        "minutes": int(rules.LINK_LIFETIME.total_seconds() // 60),
        "until": languages.format_time(until, languages.formatting_locale(locale), time_zone),
    }


def not_yet_context(starts_at: datetime, locale: str, time_zone: str) -> dict[str, object]:
    """Return the context of the templates ``sign_in_not_yet``: when the address may sign in (A7)."""
    return {"begins": languages.format_moment(starts_at, languages.formatting_locale(locale), time_zone)}
