"""Signing in over HTTP (A4)."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from chalicelib.api import Reply, Request, Routes, View
from chalicelib.sign_in import service
from chalicelib.sign_in.inputs import SessionBody, SignInBody
from chalicelib.sign_in.service import OpenedSession

sign_in_routes = Routes("sign-in")


class FlowReply(View):
    """The response to every sign-in request, the same for any address."""

    flow: str = Field(description="Keep it: the link and code from the email work only together with it.")


class BillGroupOfSession(View):
    """A bill group that the session was opened for."""

    bill_group_id: str
    account_id: str


class SessionReply(View):
    """A session that was opened."""

    session_id: str
    token: str = Field(description="The bearer token. Shown once, in this response.")
    kind: Literal["portal_user", "staff"]
    ends_at: datetime = Field(description="Latest end of the session. It ends earlier if it is not used.")
    bill_groups: list[BillGroupOfSession] = Field(
        description="The access the person signed in with. Permissions are checked again in every request."
    )


@sign_in_routes.post(
    "/v1/sign-in", public=True, body=SignInBody, returns={202: FlowReply}, raises=("too_many_sign_ins",),
    repeatable=False,
)  # fmt: skip
def ask_to_sign_in(request: Request[SignInBody, None]) -> Reply:
    """Request an email with a sign-in link and code. The reply is the same whether or not one is sent."""
    body = request.body
    flow = service.request_sign_in(
        request.context, body.email, source_ip=request.source_ip, kind=body.kind, portal=body.portal
    )  # fmt: skip
    return Reply(FlowReply(flow=flow), status=202)


@sign_in_routes.post(
    "/v1/sessions",
    public=True,
    body=SessionBody,
    returns={201: SessionReply},
    raises=("opened_elsewhere", "link_used", "sign_in_expired", "no_tries_left", "wrong_code", "too_many_tries"),
    repeatable=False,
)
def open_session(request: Request[SessionBody, None]) -> Reply:
    """Open a session with the link or code from a sign-in email, or with a user name and password."""
    body = request.body
    flow = body.flow or ""
    if body.user_name is not None:
        opened = service.sign_in_by_password(
            request.context, body.user_name, body.password or "", request.client, source_ip=request.source_ip
        )
    elif body.link is not None:
        opened = service.redeem_link(request.context, [flow], body.link, request.client)
    else:
        opened = service.redeem_code(request.context, [flow], body.code or "", request.client)
    return Reply(_view(opened), status=201)


def _view(opened: OpenedSession) -> SessionReply:
    return SessionReply(
        session_id=opened.session_id,
        token=opened.token,
        kind="staff" if opened.kind == "staff" else "portal_user",
        ends_at=opened.ends_at,
        bill_groups=[
            BillGroupOfSession(bill_group_id=bill_group_id, account_id=account_id)
            for bill_group_id, account_id in opened.bill_groups
        ],
    )
