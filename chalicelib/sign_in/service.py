"""Use cases of signing in by email: ask for a mail, prove the address by its link or its code (A4, A5)."""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NoReturn

from chalicelib import ids
from chalicelib.access.rules import Principal, hash_of
from chalicelib.call import Call
from chalicelib.config import settings
from chalicelib.entities import service as entities
from chalicelib.entities.rules import Entity
from chalicelib.errors import Conflict, Invalid, LimitReached
from chalicelib.mail import outbox
from chalicelib.passwords import holding
from chalicelib.sessions import rules as session_rules
from chalicelib.sessions import service as sessions
from chalicelib.sign_in import emails, rules
from chalicelib.sign_in.rules import Flow
from chalicelib.table import keys, store
from chalicelib.table.items import BillGroupItem, FlowItem, LimitItem, PortalLinkItem

_KEPT_AFTER_ITS_END = timedelta(hours=1)

OPENED_ELSEWHERE = "opened_elsewhere"
USED = "link_used"
EXPIRED = "sign_in_expired"
TRIES_USED = "no_tries_left"
WRONG_CODE = "wrong_code"
LIMIT = "too_many_sign_ins"


@dataclass(frozen=True)
class Opened:
    """A session that was opened; ``token`` is told this once. Instants are UTC."""

    session_id: str
    token: str
    kind: str
    email: str
    ends_at: datetime
    bill_groups: tuple[tuple[str, str], ...]
    target: str | None = None


@dataclass(frozen=True)
class Choice:
    """A bill group that somebody may open."""

    bill_group_id: str
    name: str
    account_name: str


@dataclass(frozen=True)
class Asked:
    """Where a flow stands, as far as the browser that holds it may know: what it asked itself."""

    kind: str
    email: str
    bill_group_id: str | None


def ask(
    call: Call,
    email: str,
    *,
    source_ip: str,
    kind: str = rules.PORTAL_USER,
    portal: str | None = None,
    target: str | None = None,
) -> str:
    """Ask for a sign-in mail to ``email``, and return the secret of the flow, which the asker keeps.

    The same is read and written whoever the address belongs to: whether a mail goes, and what it says, is decided
    when it is claimed. ``portal`` is the token of a portal link, ``target`` a page to go to once signed in. Raises
    LimitReached when too many were asked for from this network (A5), whatever their addresses.
    """
    secret = rules.FLOW_PREFIX + secrets.token_urlsafe(rules.SECRET_BYTES)
    store.deciding_again(lambda: _ask(call, email, secret, source_ip, kind, portal, target))
    return secret


def _ask(
    call: Call, email: str, secret: str, source_ip: str, kind: str, portal: str | None, target: str | None
) -> None:
    limit_key = keys.limit("sign_in_network", rules.network_hash(source_ip, settings().signing_key))
    portal_key = keys.portal_link(portal) if portal and rules.PORTAL_TOKEN.fullmatch(portal) else None
    found = store.batch([limit_key] + ([portal_key] if portal_key else []))
    limit = found.get(limit_key)
    asked = [datetime.fromisoformat(text) for text in (limit.instants if limit else [])]
    free_at = rules.waits_until(asked, rules.REQUESTS_FROM_NETWORK, call.now)
    if free_at is not None:
        raise LimitReached(
            LIMIT,
            "Too many sign-in mails were asked for from here. Wait a little, then ask again.",
            retry_after=int((free_at - call.now).total_seconds()) + 1,
        )
    link = found.get(portal_key) if portal_key else None
    flow_hash = hash_of(secret)
    key = keys.flow(flow_hash)
    ends_at = call.now + rules.FLOW_LIFETIME
    transaction = store.Transaction(call)
    transaction.create(
        FlowItem(
            key.pk,
            key.sk,
            flow_id=ids.new_id(ids.FLOW, call.now),
            kind=kind,
            email=email,
            bill_group_id=link.bill_group_id if link and kind == rules.PORTAL_USER else None,
            target=rules.safe_target(target, kind),
            created_at=call.now,
            ends_at=ends_at,
            expires_at=int((ends_at + _KEPT_AFTER_ITS_END).timestamp()),
        )
    )
    counted = limit or LimitItem(limit_key.pk, limit_key.sk)
    within = rules.within([*asked, call.now], rules.REQUESTS_FROM_NETWORK, call.now)
    counted.instants = [keys.instant(instant) for instant in within]
    counted.expires_at = int((call.now + rules.REQUESTS_FROM_NETWORK[-1][1]).timestamp())
    transaction.put(counted, new=limit is None)
    outbox.enqueue(transaction, call, emails.sign_in(email, flow_hash))
    transaction.commit()


def newest(flows: Iterable[str], now: datetime) -> Asked | None:
    """Return what was asked in the newest of the flows that a browser holds; None when all are over."""
    found = [flow for _, flow in _read(flows) if flow.ends_at > now and flow.used_at is None]
    if not found:
        return None
    last = max(found, key=lambda flow: flow.flow_id)
    return Asked(last.kind, last.email, last.bill_group_id)


def by_link(call: Call, flows: Iterable[str], link: str, client: str | None = None) -> Opened:
    """Redeem a link by whoever holds the flow that asked for it, and open a session: one read, one transaction.

    ``flows`` are the secrets of the flows that a browser or client holds. Raises Conflict: ``opened_elsewhere``
    when none of them asked for this link, ``link_used``, ``sign_in_expired``.
    """
    link_hash = hash_of(link)

    def choose(found: list[tuple[FlowItem, Flow]]) -> tuple[FlowItem, Flow]:
        judged = {rules.judge_link(flow, link_hash, call.now): (item, flow) for item, flow in found}
        if "right" in judged:
            return judged["right"]
        if "used" in judged:
            _refuse(USED)
        _refuse(EXPIRED if "expired" in judged else OPENED_ELSEWHERE)

    return _redeem(call, flows, "link", client, choose)


def by_code(call: Call, flows: Iterable[str], code: str, client: str | None = None) -> Opened:
    """Redeem a code in the flow that asked for it, and open a session: one read, one transaction.

    Each try is counted before it is answered, in every flow that is held. Raises Invalid (``wrong_code``, with the
    tries that are left), Conflict: ``no_tries_left``, ``link_used``, ``sign_in_expired``.
    """
    typed = rules.fold_code(code) or ""
    key = settings().signing_key

    def choose(found: list[tuple[FlowItem, Flow]]) -> tuple[FlowItem, Flow]:
        live = [(item, flow) for item, flow in found if rules.takes_codes(flow, call.now)]
        if not live:
            tried = any(flow.tries >= rules.TRIES and flow.ends_at > call.now for _, flow in found)
            used = any(flow.used_at is not None for _, flow in found)
            _refuse(TRIES_USED if tried else USED if used else EXPIRED)
        judged = {
            rules.judge_code(flow, rules.code_hash(typed, item.pk.partition("#")[2], key), call.now): (item, flow)
            for item, flow in live
        }
        if "right" in judged:
            return judged["right"]
        counting = store.Transaction(call)
        for item, flow in live:
            item.tries = flow.tries + 1
            counting.replace(item)
        counting.commit()
        if "expired" in judged:
            _refuse(EXPIRED)
        _refuse_code(max(rules.TRIES - flow.tries - 1 for _, flow in live))

    return _redeem(call, flows, "code", client, choose)


def sign_out(call: Call, principal: Principal) -> None:
    """End the session that asks."""
    sessions.end_current(call, principal)


def brand_of(bill_group_id: str | None, now: datetime) -> Entity | None:
    """Return the issuing entity whose brand a page before sign-in wears; None where several could be meant."""
    group = store.get(BillGroupItem, keys.bill_group(bill_group_id)) if bill_group_id else None
    if group is not None:
        return entities.remembered_entity(group.entity_id, now)
    return entities.remembered_sole_entity(now)


def portal_of(token: str) -> str | None:
    """Return the bill group of a portal link (A3), None for a token that is not known."""
    link = store.get(PortalLinkItem, keys.portal_link(token)) if rules.PORTAL_TOKEN.fullmatch(token) else None
    return link.bill_group_id if link else None


def choices(principal: Principal) -> list[Choice]:
    """Return the bill groups that a portal user may open now, by account and name."""
    pairs = [pair for pair in principal.bill_groups if pair[0] in principal.grants]
    found = store.batch([key for group, account in pairs for key in (keys.bill_group(group), keys.account(account))])
    chosen = [
        Choice(group_id, found[keys.bill_group(group_id)].name, found[keys.account(account_id)].name)
        for group_id, account_id in pairs
        if keys.bill_group(group_id) in found and keys.account(account_id) in found
    ]
    return sorted(chosen, key=lambda choice: (choice.account_name, choice.name, choice.bill_group_id))


def _redeem(
    call: Call,
    flows: Iterable[str],
    origin: str,
    client: str | None,
    choose: Callable[[list[tuple[FlowItem, Flow]]], tuple[FlowItem, Flow]],
) -> Opened:
    held = list(flows)
    chosen: list[Flow] = []

    def attempt() -> Opened:
        if chosen:
            # What stood in the way may be that the person's sessions were ended since.
            _refuse_ended(chosen.pop())
        item, flow = choose(_read(held))
        chosen.append(flow)
        transaction = store.Transaction(call)
        item.used_at = call.now
        transaction.replace(item)
        transaction.check_not_ended(keys.identity(flow.email), flow.created_at)
        session_id, token = sessions.open_session(
            transaction,
            call,
            kind=flow.kind,
            email=flow.email,
            bill_groups=flow.bill_groups,
            origin=origin,
            client=client,
        )
        transaction.commit()
        return Opened(
            session_id=session_id,
            token=token,
            kind=flow.kind,
            email=flow.email,
            ends_at=session_rules.ends_at(flow.kind, call.now),
            bill_groups=flow.bill_groups,
            target=rules.safe_target(flow.target, flow.kind),
        )

    return store.deciding_again(attempt)


def _read(flows: Iterable[str]) -> list[tuple[FlowItem, Flow]]:
    secrets_held = [secret for secret in flows if rules.SECRET.fullmatch(secret)][: rules.FLOWS_HELD]
    if not secrets_held:
        return []
    items: list[FlowItem] = list(store.batch([keys.flow(hash_of(secret)) for secret in secrets_held]).values())
    return [(item, store.load(Flow, item)) for item in items]


def _refuse_ended(flow: Flow) -> None:
    key = keys.identity(flow.email)
    identity = store.batch([key]).get(key)
    if identity is not None and identity.sessions_not_before > flow.created_at:
        _refuse(EXPIRED)


def _refuse(code: str) -> NoReturn:
    raise Conflict(
        code,
        {
            OPENED_ELSEWHERE: "This link was opened elsewhere than where the sign-in began. "
            "Open it there, or type the code of the same mail there.",
            USED: "This link or code was used already; each works once. Ask for a new mail.",
            EXPIRED: "This link or code has expired. Ask for a new mail.",
            TRIES_USED: "No more codes can be tried in this sign-in. Use the link of the mail, or ask for a new mail.",
        }[code],
    )


def _refuse_code(tries_left: int) -> NoReturn:
    refusal = Invalid.field("code", WRONG_CODE, "This is not the code. Compare it with the mail.")
    refusal.details["tries_left"] = tries_left
    raise refusal


def by_password(call: Call, user_name: str, password: str, client: str | None) -> Opened:
    """Open a session with a user name and its password (A6). Raises what ``passwords.holding.sign_in`` raises."""
    opened = holding.sign_in(call, user_name, password, client)
    return Opened(opened.session_id, opened.token, opened.kind, opened.email, opened.ends_at, opened.bill_groups)
