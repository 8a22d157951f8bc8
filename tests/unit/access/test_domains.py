"""What an access rule may be for (A1, A2)."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.access import domains
from chalicelib.access.domains import RuleTarget, RuleTargetError
from chalicelib.access.grants import get_email_domain
from chalicelib.field_types import normalise_email

LABELS = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=12)
COMPANY = st.builds("{}-{}.{}".format, LABELS, LABELS, st.sampled_from(["com", "co.uk", "de", "example", "com.br"]))


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("GMail.com", "free_provider"),
        ("ＧMAIL.com", "free_provider"),
        ("googlemail.com", "free_provider"),
        ("yahoo.co.jp", "free_provider"),
        ("hey.com", "free_provider"),
        ("Tutanota.com", "free_provider"),
        ("mailbox.org", "free_provider"),
        ("gmx.us", "free_provider"),
        ("docomo.ne.jp", "free_provider"),
        ("passmail.net", "free_provider"),
        ("mailinator.com", "disposable_provider"),
        ("x.mailinator.com", "disposable_provider"),
        ("co.uk", "public_suffix"),
        ("Com.BR", "public_suffix"),
        ("github.io", "public_suffix"),
        ("公司.cn", "public_suffix"),
        ("xn--55qx5d.cn", "public_suffix"),
        ("com", "bad_domain"),
        ("localhost", "bad_domain"),
        ("", "bad_domain"),
        ("-a.com", "bad_domain"),
        ("a..com", "bad_domain"),
        ("example.com:80", "bad_domain"),
        ("*", "wildcard"),
        ("*.example.com", "wildcard"),
        ("*@example.com", "wildcard"),
        ("example.com.", "trailing_dot"),
        ("ann@example.com.", "trailing_dot"),
        ("%.example.com", "wildcard"),
        ("https://example.com", "not_a_domain"),
        ("example.com/portal", "not_a_domain"),
        ("10.0.0.1", "ip_address"),
        ("10.1", "ip_address"),
        ("0x7f.1", "ip_address"),
        ("127.0x7f", "ip_address"),
        ("127.0X7F", "ip_address"),
        ("::1", "ip_address"),
        ("[::1]", "ip_address"),
        ("[IPv6:::1]", "ip_address"),
        ("a@[10.0.0.1]", "bad_email"),
        ("a@@example.com", "bad_email"),
        ("jörg@example.com", "bad_email"),
    ],
)
def test_what_is_refused(given: str, code: str) -> None:
    with pytest.raises(RuleTargetError) as refused:
        domains.parse_rule_target(given)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "given",
    ["a@x.example,b@x.example", "a@x.example, b@x.example", "a.example;b.example", "a@x.example b@x.example",
     "a@x.example\nb@x.example", "one.example,", "a@x.example\tb"],
)  # fmt: skip
def test_one_address_at_a_time(given: str) -> None:
    with pytest.raises(RuleTargetError, match=r"^Add one address at a time\.$") as refused:
        domains.parse_rule_target(given)
    assert refused.value.code == "one_at_a_time"


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ("Example.COM", RuleTarget("domain", "example.com")),
        ("  example.com ", RuleTarget("domain", "example.com")),
        ("@example.com", RuleTarget("domain", "example.com")),
        ("bücher.example", RuleTarget("domain", "xn--bcher-kva.example")),
        ("XN--BCHER-KVA.example", RuleTarget("domain", "xn--bcher-kva.example")),
        ("mail.example.co.uk", RuleTarget("domain", "mail.example.co.uk")),
        ("Ann@Bücher.example", RuleTarget("email", "ann@xn--bcher-kva.example")),
        ("ann@gmail.com", RuleTarget("email", "ann@gmail.com")),
    ],
)
def test_what_is_accepted_in_its_one_form(given: str, value: RuleTarget) -> None:
    assert domains.parse_rule_target(given) == value


def test_look_alikes_in_another_script_are_other_domains() -> None:
    latin, cyrillic = domains.parse_rule_target("paypal-billing.com"), domains.parse_rule_target("раураl-billing.com")
    assert latin.text != cyrillic.text
    assert cyrillic.text.startswith("xn--")


@given(COMPANY, COMPANY)
@example("a-b.com", "x.a-b.com")
@example("a-b.com", "a-b.com.example")
@example("a-b.com", "ba-b.com")
def test_a_rule_matches_exactly_its_domain(rule: str, other: str) -> None:
    read = domains.parse_rule_target(rule)
    for host in (other, f"sub.{rule}", f"x{rule}", f"{rule}.example", rule, rule.upper()):
        matches = get_email_domain(normalise_email(f"someone@{host}")) == read.text
        assert matches == (host.lower() == rule)


@given(st.text(max_size=40))
def test_whatever_is_given_is_refused_or_in_the_form_of_addresses(text: str) -> None:
    try:
        value = domains.parse_rule_target(text)
    except RuleTargetError:
        return
    assert value == domains.parse_rule_target(value.text)
    address = value.text if value.kind == "email" else f"a@{value.text}"
    assert normalise_email(address) == address
    assert address.isascii()
    assert "," not in value.text
