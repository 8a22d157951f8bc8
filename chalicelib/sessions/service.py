"""Sessions: opened in the transaction that proves who somebody is, and ended (A8)."""

import secrets
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from chalicelib import ids
from chalicelib.access import rules as access
from chalicelib.audit import service as audit
from chalicelib.audit.rules import Change
from chalicelib.call import Actor, Call
from chalicelib.sessions import rules
from chalicelib.table import keys, store
from chalicelib.table.items import SessionItem


def open_session(
    transaction: store.Transaction,
    call: Call,
    *,
    kind: str,
    email: str,
    bill_groups: Iterable[tuple[str, str]],
    origin: str,
    client: str | None = None,
    preview: dict[str, Any] | None = None,
) -> tuple[str, str]:
    """Add a session to ``transaction`` and return its id and its token, which nobody can be told again.

    ``kind`` is ``portal_user``, ``staff`` or ``preview``; ``email`` whose it is, normalised; ``bill_groups`` the pairs
    of bill group id and account id that admit the person now, what they may do there being read afresh in every
    request; ``origin`` is what proved the person: ``link``, ``code``, ``password``, or ``preview``; ``client`` what
    the browser says it is. The audit events name the person as the one who acts, but for a preview, which staff open.
    """
    session_id = ids.new_id(ids.SESSION, call.now)
    token = rules.token_of(secrets.token_urlsafe(rules.TOKEN_BYTES))
    own, listed = keys.session(access.hash_of(token)), keys.session_listed(email, session_id)
    ends_at = rules.ends_at(kind, call.now)
    pairs = sorted(set(bill_groups))
    transaction.create(
        SessionItem(
            own.pk,
            own.sk,
            gsi1_pk=listed.pk,
            gsi1_sk=listed.sk,
            session_id=session_id,
            kind=kind,
            email=email,
            bill_groups=[list(pair) for pair in pairs],
            origin=origin,
            client=rules.client_of(client),
            created_at=call.now,
            last_seen_at=call.now,
            ends_at=ends_at,
            preview=preview,
            expires_at=int(ends_at.timestamp()),
        )
    )
    told = call if kind == "preview" else replace(call, actor=Actor(kind, email, email))
    changes = [Change("origin", None, origin), Change("ends_at", None, keys.instant(ends_at))]
    if preview is not None:
        changes.append(Change("preview", None, preview))
    accounts: list[str | None] = [*sorted({account_id for _, account_id in pairs})]
    for account_id in accounts[: rules.ACCOUNTS_TOLD] or [None]:
        audit.record(
            transaction,
            told,
            "session.opened",
            "session",
            session_id,
            tuple(changes),
            account_id=account_id,
            bill_group_id=pairs[0][0] if len(pairs) == 1 else None,
        )
    return session_id, token
