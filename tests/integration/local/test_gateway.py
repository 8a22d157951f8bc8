"""What the local gateway shows of a request on the terminal."""

import pytest

from app import app
from chalicelib import tokens
from infra.local.gateway import Gateway
from infra.local.template import Template


@pytest.fixture(scope="module")
def gateway() -> Gateway:
    return Gateway(app, Template.read())


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (f"/portal/reply/{'r' * 43}", "/portal/reply/{token}"),
        (f"/portal/reply/{'r' * 43}/not-me", "/portal/reply/{token}/{answer}"),
        (f"/portal/unsubscribe/a1~01JABCDEFGHJKMNPQRSTVWXYZ0~general~{'u' * 22}", "/portal/unsubscribe/{token}"),
        (f"/portal/password/cp_{'p' * 43}", "/portal/password/{secret}"),
        (f"/admin/sign-in/cl_{'l' * 43}", "/admin/sign-in/{secret}"),
        ("/portal/check", "/portal/check"),
        ("/v1/accounts/harbor-light/contacts", "/v1/accounts/{account_id}/contacts"),
        ("/v1/health", "/v1/health"),
        ("/nowhere", "/nowhere"),
    ],
)
def test_the_template_is_shown_and_not_the_path(gateway: Gateway, path: str, shown: str) -> None:
    assert gateway.describe(path) == shown


@pytest.mark.parametrize("kind", tokens.TOKEN_KINDS, ids=lambda kind: kind.name)
def test_no_path_shows_a_token(gateway: Gateway, kind: tokens.TokenKind) -> None:
    token = tokens.new_secret(kind.prefix)
    for path in (f"/{token}", f"/nowhere/{token}", f"/portal/{token}", f"/v1/{token}", f"/portal/a/b/c/d/e/f/{token}"):
        assert token not in gateway.describe(path)
