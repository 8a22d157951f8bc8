"""Use cases of signing in by email: request an email, prove the address by its link or its code (A4, A5)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NoReturn

from chalicelib import ids
from chalicelib.config import settings
from chalicelib.entities.rules import Entity
from chalicelib.entities.service import get_cached_entity, get_cached_sole_entity
from chalicelib.errors import Conflict, InvalidInput
from chalicelib.mail import outbox
from chalicelib.mail.outbox import Mail
from chalicelib.passwords import own_password
from chalicelib.permissions import BillGroupRef, Principal
from chalicelib.request_context import RequestContext
from chalicelib.sessions.known_browsers import KnownBrowser, find_browser_id
from chalicelib.sessions.request_limits import browser_key, count_request, network_key
from chalicelib.sessions.rules import compute_session_end
from chalicelib.sessions.service import end_principal_session, open_session
from chalicelib.sign_in import emails, rules
from chalicelib.sign_in.rules import Flow
from chalicelib.table import keys, store
from chalicelib.table.items import BillGroupItem, FlowItem, PortalLinkItem
from chalicelib.table.keys import Key
from chalicelib.tokens import new_secret, sha256_hex

_RETENTION_AFTER_END = timedelta(hours=1)

OPENED_ELSEWHERE = "opened_elsewhere"
LINK_USED = "link_used"
SIGN_IN_EXPIRED = "sign_in_expired"
NO_TRIES_LEFT = "no_tries_left"
WRONG_CODE = "wrong_code"
TOO_MANY_SIGN_INS = "too_many_sign_ins"


@dataclass(frozen=True)
class OpenedSession:
    """A new session; ``token`` is shown only now. Instants are UTC."""

    session_id: str
    token: str
    kind: str
    email: str
    ends_at: datetime
    bill_groups: tuple[BillGroupRef, ...]
    target: str | None = None


@dataclass(frozen=True)
class BillGroupChoice:
    """A bill group that somebody may open."""

    bill_group_id: str
    name: str
    account_name: str


@dataclass(frozen=True)
class PendingSignIn:
    """The state of a flow, as far as the browser that holds it may know: its own request."""

    kind: str
    email: str
    bill_group_id: str | None


def request_sign_in(
    context: RequestContext,
    email: str,
    *,
    source_ip: str,
    kind: str = rules.PORTAL_USER,
    portal: str | None = None,
    target: str | None = None,
    browser: KnownBrowser | None = None,
) -> str:
    """Request a sign-in email to ``email``, and return the secret of the flow, which the caller keeps.

    Reads and writes are the same for every address: whether an email is sent, and its content, is decided when it is
    claimed. ``portal`` is the token of a portal link, ``target`` a page for after the sign-in.
    ``browser`` is the browser that asks, if it has signed in before. Raises LimitReached after too many requests from
    this network (A5), whatever their addresses; a browser that has signed in to this one counts by itself (A13).
    """
    secret = new_secret(rules.FLOW_PREFIX)
    browser_id = find_browser_id(browser, email)
    limit_key = browser_key("sign_in", browser_id) if browser_id else network_key("sign_in", source_ip)
    mail = emails.sign_in(email, sha256_hex(secret), browser)
    store.retry_on_conflict(lambda: _write_sign_in_request(context, limit_key, mail, secret, kind, portal, target))
    return secret


def _write_sign_in_request(
    context: RequestContext,
    limit_key: Key,
    mail: Mail,
    secret: str,
    kind: str,
    portal: str | None,
    target: str | None,
) -> None:
    portal_key = keys.portal_link(portal) if portal and rules.PORTAL_TOKEN_PATTERN.fullmatch(portal) else None
    found = store.batch_get_items([limit_key] + ([portal_key] if portal_key else []))
    link = found.get(portal_key) if portal_key else None
    flow_hash = sha256_hex(secret)
    key = keys.flow(flow_hash)
    ends_at = context.now + rules.FLOW_LIFETIME
    transaction = store.Transaction(context)
    transaction.create(
        FlowItem(
            key.pk,
            key.sk,
            flow_id=ids.new_id(ids.SIGN_IN_FLOW_PREFIX, context.now),
            kind=kind,
            email=mail.to[0],
            bill_group_id=link.bill_group_id if link and kind == rules.PORTAL_USER else None,
            target=rules.safe_target(target, kind),
            created_at=context.now,
            ends_at=ends_at,
            expires_at=ends_at + _RETENTION_AFTER_END,
        )
    )
    count_request(
        transaction,
        limit_key,
        found.get(limit_key),
        context.now,
        TOO_MANY_SIGN_INS,
        "Too many sign-in emails were requested from here. Wait a moment, then try again.",
    )
    outbox.enqueue_mail(transaction, context, mail)
    transaction.commit()


def find_pending_sign_in(flows: Iterable[str], now: datetime) -> PendingSignIn | None:
    """Return the newest request among the flows of a browser; None when all have expired."""
    found = [flow for _, flow in _read_flows(flows) if flow.ends_at > now and flow.used_at is None]
    if not found:
        return None
    last = max(found, key=lambda flow: flow.flow_id)
    return PendingSignIn(last.kind, last.email, last.bill_group_id)


def redeem_link(context: RequestContext, flows: Iterable[str], link: str, client: str | None = None) -> OpenedSession:
    """Redeem a link in the flow that requested it, and open a session: one read, one transaction.

    ``flows`` are the secrets of the flows that a browser or client holds. Raises Conflict: ``opened_elsewhere`` when
    none of them requested this link, ``link_used``, ``sign_in_expired``.
    """
    link_hash = sha256_hex(link)

    def choose(found: list[tuple[FlowItem, Flow]]) -> tuple[FlowItem, Flow]:
        judged = {rules.judge_link(flow, link_hash, context.now): (item, flow) for item, flow in found}
        if "right" in judged:
            return judged["right"]
        if "used" in judged:
            _raise_conflict(LINK_USED)
        _raise_conflict(SIGN_IN_EXPIRED if "expired" in judged else OPENED_ELSEWHERE)

    return _redeem(context, flows, "link", client, choose)


def redeem_code(context: RequestContext, flows: Iterable[str], code: str, client: str | None = None) -> OpenedSession:
    """Redeem a code in the flow that requested it, and open a session: one read, one transaction.

    Each try is counted before it is answered, in every flow that the caller holds. Raises InvalidInput (``wrong_code``,
    with the remaining tries), Conflict: ``no_tries_left``, ``link_used``, ``sign_in_expired``.
    """
    typed = rules.normalise_code(code) or ""
    key = settings().signing_key

    def choose(found: list[tuple[FlowItem, Flow]]) -> tuple[FlowItem, Flow]:
        live = [(item, flow) for item, flow in found if rules.accepts_codes(flow, context.now)]
        if not live:
            tried = any(flow.tries >= rules.MAX_TRIES and flow.ends_at > context.now for _, flow in found)
            used = any(flow.used_at is not None for _, flow in found)
            _raise_conflict(NO_TRIES_LEFT if tried else LINK_USED if used else SIGN_IN_EXPIRED)
        judged = {
            rules.judge_code(flow, rules.hash_code(typed, keys.flow_hash_of(item.key), key), context.now): (item, flow)
            for item, flow in live
        }
        if "right" in judged:
            return judged["right"]
        counting = store.Transaction(context)
        for item, flow in live:
            item.tries = flow.tries + 1
            counting.replace(item)
        counting.commit()
        if "expired" in judged:
            _raise_conflict(SIGN_IN_EXPIRED)
        _raise_wrong_code(max(rules.MAX_TRIES - flow.tries - 1 for _, flow in live))

    return _redeem(context, flows, "code", client, choose)


def sign_out(context: RequestContext, principal: Principal) -> None:
    """End the current session."""
    end_principal_session(context, principal)


def find_brand_entity(bill_group_id: str | None, now: datetime) -> Entity | None:
    """Return the issuing entity that brands a page before sign-in; None if several are possible."""
    group = store.get_item(BillGroupItem, keys.bill_group(bill_group_id)) if bill_group_id else None
    if group is not None:
        return get_cached_entity(group.entity_id, now)
    return get_cached_sole_entity(now)


def find_portal_bill_group(token: str) -> str | None:
    """Return the bill group of a portal link (A3), None for an unknown token."""
    link = (
        store.get_item(PortalLinkItem, keys.portal_link(token)) if rules.PORTAL_TOKEN_PATTERN.fullmatch(token) else None
    )
    return link.bill_group_id if link else None


def list_bill_group_choices(principal: Principal) -> list[BillGroupChoice]:
    """Return the bill groups that a portal user may open now, by account and name."""
    pairs = [pair for pair in principal.bill_groups if pair[0] in principal.grants]
    found = store.batch_get_items(
        [key for group, account in pairs for key in (keys.bill_group(group), keys.account(account))]
    )
    chosen = [
        BillGroupChoice(group_id, found[keys.bill_group(group_id)].name, found[keys.account(account_id)].name)
        for group_id, account_id in pairs
        if keys.bill_group(group_id) in found and keys.account(account_id) in found
    ]
    return sorted(chosen, key=lambda choice: (choice.account_name, choice.name, choice.bill_group_id))


def _redeem(
    context: RequestContext,
    flows: Iterable[str],
    origin: str,
    client: str | None,
    choose: Callable[[list[tuple[FlowItem, Flow]]], tuple[FlowItem, Flow]],
) -> OpenedSession:
    held = list(flows)
    chosen: list[Flow] = []

    def attempt() -> OpenedSession:
        if chosen:
            # The conflict may be that the person's sessions were ended since.
            _reject_ended_sign_in(chosen.pop())
        item, flow = choose(_read_flows(held))
        chosen.append(flow)
        transaction = store.Transaction(context)
        item.used_at = context.now
        transaction.replace(item)
        transaction.check_sessions_not_ended(keys.identity(flow.email), flow.created_at)
        session_id, token = open_session(
            transaction,
            context,
            kind=flow.kind,
            email=flow.email,
            bill_groups=flow.bill_groups,
            origin=origin,
            client=client,
        )
        transaction.commit()
        return OpenedSession(
            session_id=session_id,
            token=token,
            kind=flow.kind,
            email=flow.email,
            ends_at=compute_session_end(flow.kind, context.now),
            bill_groups=flow.bill_groups,
            target=rules.safe_target(flow.target, flow.kind),
        )

    return store.retry_on_conflict(attempt)


def _read_flows(flows: Iterable[str]) -> list[tuple[FlowItem, Flow]]:
    secrets_held = [secret for secret in flows if rules.SECRET_PATTERN.fullmatch(secret)][: rules.MAX_FLOWS]
    if not secrets_held:
        return []
    items: list[FlowItem] = list(
        store.batch_get_items([keys.flow(sha256_hex(secret)) for secret in secrets_held]).values()
    )
    return [(item, store.from_item(Flow, item)) for item in items]


def _reject_ended_sign_in(flow: Flow) -> None:
    key = keys.identity(flow.email)
    identity = store.batch_get_items([key]).get(key)
    if identity is not None and identity.sessions_not_before > flow.created_at:
        _raise_conflict(SIGN_IN_EXPIRED)


def _raise_conflict(code: str) -> NoReturn:
    raise Conflict(
        code,
        {
            OPENED_ELSEWHERE: "This link was opened in another browser than the one that requested it. Open "
            "it there, or enter the code from the same email there.",
            LINK_USED: "This link or code has already been used. Each works once. Request a new email.",
            SIGN_IN_EXPIRED: "This link or code has expired. Request a new email.",
            NO_TRIES_LEFT: "Too many wrong codes. Use the link from the email, or request a new email.",
        }[code],
    )


def _raise_wrong_code(tries_left: int) -> NoReturn:
    refusal = InvalidInput.field("code", WRONG_CODE, "That code is not correct. Compare it with the email.")
    refusal.details["tries_left"] = tries_left
    raise refusal


def sign_in_by_password(
    context: RequestContext,
    user_name: str,
    password: str,
    client: str | None,
    *,
    source_ip: str,
    browser: KnownBrowser | None = None,
) -> OpenedSession:
    """Open a session with a user name and its password (A6). Raises as ``own_password.open_password_session`` does."""
    opened = own_password.open_password_session(
        context, user_name, password, client, source_ip=source_ip, browser=browser
    )
    return OpenedSession(opened.session_id, opened.token, opened.kind, opened.email, opened.ends_at, opened.bill_groups)
