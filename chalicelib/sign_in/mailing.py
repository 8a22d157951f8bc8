"""The claim of a sign-in mail: may it go, whom does it look like, and the secrets that it carries (A4, A5, I4)."""

import secrets
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime

from chalicelib.access.rules import hash_of
from chalicelib.call import Call
from chalicelib.config import settings
from chalicelib.entities import service as entities
from chalicelib.entities.rules import Entity
from chalicelib.mail.claims import Outgoing, Ready, Withheld
from chalicelib.sign_in import emails, rules
from chalicelib.sign_in.admission import Admission, admitted
from chalicelib.sign_in.rules import Proof
from chalicelib.table import keys, store
from chalicelib.table.items import FlowItem, LimitItem


def prepare(outgoing: Outgoing, call: Call) -> Ready | Withheld:
    """Decide whether the mail of a flow goes, and make its link and code; only their hashes are written.

    Whoever asked for the mail learns nothing of what is decided here.
    """
    email, flow_hash = outgoing.to[0], str(outgoing.context["flow"])
    wanted = (
        keys.flow(flow_hash), keys.limit("sign_in_mail", email), keys.suppression(email), keys.staff(email),
    )  # fmt: skip
    found = store.batch(wanted)
    flow, limit, suppression, staff = (found.get(key) for key in wanted)
    if flow is None or flow.used_at is not None or flow.ends_at <= call.now:
        return Withheld("flow_ended")
    if suppression is not None:
        return Withheld("suppressed")
    if flow.kind == rules.STAFF:
        admission = Admission((), None, None, None, None)
        if staff is None or staff.status != "active":
            return Withheld("not_admitted")
    else:
        admission = admitted(email, flow.bill_group_id, call.now)
        if not admission.pairs and admission.starts_at is None:
            return Withheld("not_admitted")
    sent = _sent(limit, outgoing.email_id)
    if rules.waits_until(list(sent.values()), rules.MAILS_TO_ADDRESS, call.now) is not None:
        return Withheld("limit")
    entity = _brand(admission)
    if entity is None:
        return Withheld("no_issuing_entity")

    def count(transaction: store.Transaction) -> None:
        key = keys.limit("sign_in_mail", email)
        item = limit or LimitItem(key.pk, key.sk)
        counted = set(rules.within(list(sent.values()), rules.MAILS_TO_ADDRESS, call.now))
        kept = {email_id: instant for email_id, instant in sent.items() if instant in counted}
        kept[outgoing.email_id] = call.now
        item.instants = [f"{keys.instant(instant)} {email_id}" for email_id, instant in kept.items()]
        item.expires_at = int((call.now + rules.MAILS_TO_ADDRESS[-1][1]).timestamp())
        transaction.put(item, new=limit is None)

    return _composed(call, flow, flow_hash, count, admission, entity)


def _sent(limit: LimitItem | None, email_id: str) -> dict[str, datetime]:
    """Return which mails went to the address when, without this very mail, which an earlier claim may have counted."""
    entries = [entry.split(" ") for entry in (limit.instants if limit else [])]
    return {other: datetime.fromisoformat(instant) for instant, other in entries if other != email_id}


def _brand(admission: Admission) -> Entity | None:
    if admission.group is not None:
        return entities.get_entity(admission.group.entity_id)
    # Staff belong to no entity of the vendor's. Unless one is named, the first speaks to them, also when it is new.
    if settings().staff_entity_id:
        return entities.get_entity(settings().staff_entity_id)
    listed, _ = entities.list_entities(None, 1)
    return listed[0] if listed else None


def _composed(
    call: Call,
    flow: FlowItem,
    flow_hash: str,
    count: Callable[[store.Transaction], None],
    admission: Admission,
    entity: Entity,
) -> Ready:
    contact, account = admission.contact, admission.account
    locale = (contact.locale if contact else None) or (account.locale if account else None) or entity.locale
    time_zone = (account.time_zone if account else None) or entity.time_zone
    is_open = bool(admission.pairs) or flow.kind == rules.STAFF
    link = rules.LINK_PREFIX + secrets.token_urlsafe(rules.SECRET_BYTES)
    code = "".join(secrets.choice(rules.CODE_ALPHABET) for _ in range(rules.CODE_CHARACTERS))
    until = call.now + rules.LIFETIME

    def write(transaction: store.Transaction) -> None:
        count(transaction)
        if is_open:
            hashes = Proof(hash_of(link), rules.code_hash(code, flow_hash, settings().signing_key), until)
            proof = {**asdict(hashes), "until": keys.instant(until)}
            flow.proofs = [*flow.proofs, proof][-rules.PROOFS_KEPT :]
            flow.bill_groups = [list(pair) for pair in admission.pairs]
            transaction.replace(flow)

    if not is_open and admission.starts_at is not None:
        context = emails.not_yet(admission.starts_at, locale, time_zone)
        return Ready(context, write, emails.NOT_YET, entity.entity_id, locale)
    area = rules.AREAS[flow.kind]
    address = f"{settings().public_url}/{area}/sign-in/{link}"
    context = emails.proof(address, code, until, locale, time_zone)
    return Ready(context, write, emails.SIGN_IN, entity.entity_id, locale)
