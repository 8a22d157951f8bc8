"""The content of a sign-in email, resolved when it is claimed: whether it is sent, brand, and secrets (A4, A5, I4)."""

import secrets
from collections.abc import Callable
from dataclasses import asdict

from chalicelib.config import settings
from chalicelib.entities.rules import Entity
from chalicelib.entities.service import get_entity, list_entities
from chalicelib.mail.sending.late_binding import ClaimedMail, PreparedMail, WithheldMail
from chalicelib.request_context import RequestContext
from chalicelib.sessions.known_browsers import KnownBrowser, find_browser_id
from chalicelib.sessions.request_limits import MailAllowance
from chalicelib.sign_in import emails, rules
from chalicelib.sign_in.admission import Admission, find_admission
from chalicelib.sign_in.rules import Proof
from chalicelib.table import keys, store
from chalicelib.table.items import FlowItem
from chalicelib.table.suppressed import is_suppressed, suppression_keys
from chalicelib.tokens import new_secret, sha256_hex


def prepare_sign_in(outgoing: ClaimedMail, context: RequestContext) -> PreparedMail | WithheldMail:
    """Prepare the email of a flow: create link and code, and write only their hashes; or withhold it.

    The person who requested it learns nothing of this decision.
    """
    email, flow_hash = outgoing.to[0], str(outgoing.context["flow"])
    browser = KnownBrowser.from_json(outgoing.context.get("browser"))
    allowance = MailAllowance("sign_in", email, find_browser_id(browser, email))
    wanted = (keys.flow(flow_hash), allowance.key, keys.staff(email))
    found = store.batch_get_items([*wanted, *suppression_keys([email])])
    flow, limit, staff = (found.get(key) for key in wanted)
    if flow is None or flow.used_at is not None or flow.ends_at <= context.now:
        return WithheldMail("flow_ended")
    if is_suppressed(email, found):
        return WithheldMail("suppressed")
    if flow.kind == rules.STAFF:
        admission = Admission((), None, None, None, None)
        if staff is None or staff.status != "active":
            return WithheldMail("not_admitted")
    else:
        admission = find_admission(email, flow.bill_group_id, context.now)
        if not admission.pairs and admission.starts_at is None:
            return WithheldMail("not_admitted")
    if allowance.is_spent(limit, outgoing.email_id, context.now):
        return WithheldMail("limit")
    entity = _find_brand_entity(admission)
    if entity is None:
        return WithheldMail("no_issuing_entity")

    def count(transaction: store.Transaction) -> None:
        allowance.count(transaction, limit, outgoing.email_id, context.now)

    return _compose_mail(context, flow, flow_hash, count, admission, entity)


def _find_brand_entity(admission: Admission) -> Entity | None:
    if admission.group is not None:
        return get_entity(admission.group.entity_id)
    # Staff belong to no issuing entity. Unless a setting names one, the first entity is the sender.
    if settings().staff_entity_id:
        return get_entity(settings().staff_entity_id)
    listed, _ = list_entities(None, 1)
    return listed[0] if listed else None


def _compose_mail(
    context: RequestContext,
    flow: FlowItem,
    flow_hash: str,
    count: Callable[[store.Transaction], None],
    admission: Admission,
    entity: Entity,
) -> PreparedMail:
    contact, account = admission.contact, admission.account
    locale = (contact.locale if contact else None) or (account.locale if account else None) or entity.locale
    time_zone = (account.time_zone if account else None) or entity.time_zone
    is_open = bool(admission.pairs) or flow.kind == rules.STAFF
    link = new_secret(rules.LINK_PREFIX)
    code = "".join(secrets.choice(rules.CODE_ALPHABET) for _ in range(rules.CODE_LENGTH))
    until = context.now + rules.LINK_LIFETIME

    def write(transaction: store.Transaction) -> None:
        count(transaction)
        if is_open:
            hashes = Proof(sha256_hex(link), rules.hash_code(code, flow_hash, settings().signing_key), until)
            proof = {**asdict(hashes), "until": keys.format_instant(until)}
            flow.proofs = [*flow.proofs, proof][-rules.MAX_PROOFS :]
            flow.bill_groups = [list(pair) for pair in admission.pairs]
            transaction.replace(flow)

    if not is_open and admission.starts_at is not None:
        variables = emails.not_yet_context(admission.starts_at, locale, time_zone)
        return PreparedMail(variables, write, emails.NOT_YET, entity.entity_id, locale)
    area = rules.AREAS[flow.kind]
    address = f"{settings().public_url}/{area}/sign-in/{link}"
    variables = emails.sign_in_context(address, code, until, locale, time_zone)
    return PreparedMail(variables, write, emails.SIGN_IN, entity.entity_id, locale)
