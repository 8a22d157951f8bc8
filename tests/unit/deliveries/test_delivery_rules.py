"""To whom an invoice is delivered, and why not: decided over plain values (I3, R9, C7)."""

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.accounts.rules import Account, PaymentTerms
from chalicelib.contacts.rules import ONE_PER_MAIL, TOGETHER, DeliveryStyle, Recipient
from chalicelib.deliveries import rules
from chalicelib.deliveries.rules import DeliveredTo, Delivery, DeliveryDecision
from chalicelib.entities.rules import EACH, Entity, Rollout
from chalicelib.entities.rules import TOGETHER as ALL_TOGETHER
from chalicelib.errors import Conflict, LimitReached
from chalicelib.invoices.rules import Invoice

NOW = datetime(2026, 1, 15, 9, tzinfo=UTC)
LIVE = Rollout("live")
ENTITY = Entity("acme", "Acme", "#0b5fff", "b@acme.example", "en", "UTC", invoice_mail=LIVE, live_from=date(2026, 1, 1))
SHARED = replace(ENTITY, invoice_addressing=ALL_TOGETHER)
ACCOUNT = Account("a1", "acme", "Customer", "EUR", payment_terms=PaymentTerms("net", 30))
INVOICE = Invoice(
    invoice_id="i1",
    kind="invoice",
    number="1",
    entity_id="acme",
    account_id="a1",
    bill_group_id="g1",
    currency="EUR",
    issue_date=date(2026, 1, 1),
    net_total=100,
    tax_total=0,
    total=100,
    content_hash="",
    content_parts=1,
    recorded_at=NOW,
)


def recipient(name: str, *, copy: bool = False, suppressed: bool = False, **style: object) -> Recipient:
    return Recipient(
        name, f"{name}@example.com", name.title(), None, DeliveryStyle(**style), copy, suppressed  # type: ignore[arg-type]
    )  # fmt: skip


def decide(
    *who: Recipient, entity: Entity = ENTITY, invoice: Invoice = INVOICE, size: int = 1000
) -> rules.DeliveryDecision:
    return rules.decide_delivery(invoice, entity, ACCOUNT, who, size)


def names(decision: rules.DeliveryDecision) -> list[list[str]]:
    return [[one.contact_id for one in mail.to] for mail in decision.mails]


@pytest.mark.parametrize(
    ("mode", "pilots", "outcome"),
    [
        ("off", (), rules.MAIL_OFF),
        ("shadow", (), rules.IN_SHADOW),
        ("pilot", (), rules.IN_SHADOW),
        ("pilot", ("a2",), rules.IN_SHADOW),
        ("pilot", ("a1",), rules.MAILED),
        ("live", (), rules.MAILED),
    ],
)
def test_how_far_the_mail_has_gone_live(mode: str, pilots: tuple[str, ...], outcome: str) -> None:
    entity = replace(ENTITY, invoice_mail=Rollout(mode, pilots))
    decision = decide(recipient("ada"), entity=entity)
    assert decision.outcome == outcome
    assert bool(decision.mails) == (outcome in {rules.MAILED, rules.IN_SHADOW})


def test_an_entity_is_off_until_it_is_reported_otherwise() -> None:
    fresh = replace(ENTITY, invoice_mail=Entity("e", "E", "#000000", "e@e.example", "en", "UTC").invoice_mail)
    assert decide(recipient("ada"), entity=fresh) == rules.DeliveryDecision(rules.MAIL_OFF)


@pytest.mark.parametrize(("issued", "outcome"), [(31, rules.BEFORE_LIVE_FROM), (1, rules.MAILED)])
def test_what_is_dated_before_live_from_is_never_delivered(issued: int, outcome: str) -> None:
    day = date(2025, 12, 31) if issued == 31 else date(2026, 1, 1)
    assert decide(recipient("ada"), invoice=replace(INVOICE, issue_date=day)).outcome == outcome


def test_the_reasons_stand_in_an_order() -> None:
    """What concerns the invoice comes before the entity's settings, and these before the account and its contacts."""
    void = replace(INVOICE, status="void", issue_date=date(2020, 1, 1))
    off = replace(ENTITY, invoice_mail=Rollout())
    on_receipt = replace(ACCOUNT, payment_terms=PaymentTerms())
    assert rules.blocking_outcome(void, off, on_receipt) == rules.INVOICE_VOID
    assert rules.blocking_outcome(replace(void, status="open"), off, on_receipt) == rules.MAIL_OFF
    assert rules.blocking_outcome(replace(void, status="open"), ENTITY, on_receipt) == rules.BEFORE_LIVE_FROM
    assert rules.blocking_outcome(INVOICE, ENTITY, on_receipt) == rules.PORTAL_ONLY
    assert rules.blocking_outcome(INVOICE, ENTITY, ACCOUNT) is None
    assert decide() == rules.DeliveryDecision(rules.NO_CONTACTS)


@pytest.mark.parametrize("status", ["paid", "part_paid", "uncollectible"])
def test_what_is_paid_already_is_an_invoice_all_the_same(status: str) -> None:
    assert decide(recipient("ada"), invoice=replace(INVOICE, status=status)).outcome == rules.MAILED


def test_each_has_an_email_unless_the_entity_wants_one_to_all() -> None:
    who = recipient("ada"), recipient("bob"), recipient("cy", copy=True), recipient("di", copy=True)
    decision = decide(*who)
    assert names(decision) == [["ada"], ["bob"], ["cy"], ["di"]]
    assert [mail.cause for mail in decision.mails] == [rules.ROLE, rules.ROLE, rules.COPY, rules.COPY]
    together = decide(*who, entity=SHARED)
    assert names(together) == [["ada", "bob"], ["cy"], ["di"]]
    assert [mail.cause for mail in together.mails] == [rules.ROLE, rules.COPY, rules.COPY]


def test_each_email_names_those_who_get_another_one() -> None:
    waits = recipient("eve", grouping=TOGETHER)
    who = recipient("ada"), recipient("bob"), recipient("cy", copy=True), waits, recipient("fay", suppressed=True)
    decision = decide(*who)
    assert [rules.other_recipients(mail, decision) for mail in decision.mails] == [
        ("Bob", "Eve"), ("Ada", "Eve"), ("Ada", "Bob", "Eve"),
    ]  # fmt: skip
    together = decide(*who, entity=SHARED)
    assert [rules.other_recipients(mail, together) for mail in together.mails] == [("Eve",), ("Ada", "Bob", "Eve")]


def test_a_cc_has_an_email_of_its_own_unless_all_share_one() -> None:
    who = [recipient("ada"), recipient("cy", copy=True)]
    boss = Recipient("", "boss@x.example", "boss@x.example", None, DeliveryStyle(), copy=False, suppressed=False)
    own = DeliveryDecision(rules.MAILED, rules.plan_mails(who, EACH, 1000, [boss]))
    assert [(mail.to[0].email, mail.cc, mail.cause) for mail in own.mails] == [
        ("ada@example.com", (), rules.ROLE),
        ("cy@example.com", (), rules.COPY),
        ("boss@x.example", (), rules.REQUESTED),
    ]
    assert [rules.other_recipients(mail, own) for mail in own.mails] == [
        ("boss@x.example",), ("Ada", "boss@x.example"), ("Ada",),
    ]  # fmt: skip
    assert rules.delivery_recipients(own, ["e1", "e2", "e3"])[-1] == DeliveredTo(None, rules.MAILED, "e3", cc=True)
    shared = DeliveryDecision(rules.MAILED, rules.plan_mails(who, ALL_TOGETHER, 1000, [boss]))
    assert [(mail.to[0].email, mail.cc, mail.cause) for mail in shared.mails] == [
        ("ada@example.com", ("boss@x.example",), rules.REQUESTED),
        ("cy@example.com", (), rules.COPY),
    ]
    assert [rules.other_recipients(mail, shared) for mail in shared.mails] == [(), ("Ada", "boss@x.example")]


def test_in_one_email_to_all_those_whose_mailbox_takes_less_share_another() -> None:
    small = {"size_limit_kib": 100}
    who = recipient("ada"), recipient("bob", **small), recipient("cy"), recipient("di", **small)
    decision = decide(*who, entity=SHARED, size=100 * 1024 + 1)
    assert names(decision) == [["ada", "cy"], ["bob", "di"]]
    assert [mail.attached for mail in decision.mails] == [True, False]
    assert names(decide(*who, entity=SHARED, size=100 * 1024)) == [["ada", "bob", "cy", "di"]]
    assert [mail.attached for mail in decide(*who, size=100 * 1024 + 1).mails] == [True, False, True, False]


def test_who_wants_invoices_together_waits() -> None:
    waits = recipient("ada", grouping=TOGETHER)
    decision = decide(waits, recipient("bob", grouping=ONE_PER_MAIL))
    assert (decision.outcome, names(decision), decision.held) == (rules.MAILED, [["bob"]], (waits,))
    alone = decide(waits)
    assert (alone.outcome, alone.mails, alone.held) == (rules.WAITING, (), (waits,))
    # A plan that is not carried out fills no bundle.
    shadow = decide(waits, entity=replace(ENTITY, invoice_mail=Rollout("shadow")))
    assert (shadow.outcome, names(shadow), shadow.held) == (rules.IN_SHADOW, [["ada"]], ())


def test_suppressed_addresses_are_left_out_and_told() -> None:
    gone = recipient("ada", suppressed=True)
    decision = decide(gone, recipient("bob"))
    assert (names(decision), decision.unreachable) == ([["bob"]], (gone,))
    assert decide(gone) == rules.DeliveryDecision(rules.NO_REACHABLE_CONTACTS, unreachable=(gone,))


@given(
    sizes=st.lists(st.integers(0, 3000), max_size=25),
    most=st.integers(1, 2500),
)
def test_a_bundle_is_spread_whole_in_order_and_within_the_limit(sizes: list[int], most: int) -> None:
    parts = rules.split_bundle(sizes, most)
    assert [place for part in parts for place in part.places] == list(range(len(sizes)))
    for part in parts:
        assert part.attached == {place for place in part.places if sizes[place] <= most}
        assert sum(sizes[place] for place in part.attached) <= most
    for first, second in itertools.pairwise(parts):
        # No mail is begun that the one before it had room for.
        carried = sum(sizes[place] for place in first.attached)
        assert carried + (sizes[second.places[0]] if sizes[second.places[0]] <= most else 0) > most


def test_what_comes_of_each_recipient() -> None:
    ada, bob, cy = recipient("ada"), recipient("bob", copy=True), recipient("cy", suppressed=True)
    decision = decide(ada, bob, recipient("di", grouping=TOGETHER), cy)
    assert rules.delivery_recipients(decision, ["e1", "e2"]) == (
        DeliveredTo("ada", rules.MAILED, "e1"),
        DeliveredTo("bob", rules.MAILED, "e2", copy=True),
        DeliveredTo("di", rules.WAITING),
        DeliveredTo("cy", rules.UNREACHABLE),
    )
    assert {one.state for one in rules.delivery_recipients(decision, [None, None])} == {
        rules.PLANNED, rules.WAITING, rules.UNREACHABLE,
    }  # fmt: skip


def test_after_a_bundle_was_sent() -> None:
    both = (DeliveredTo("ada", rules.WAITING), DeliveredTo("bob", rules.WAITING))
    waiting = Delivery("d", "i1", rules.ISSUED, rules.WAITING, NOW, both)
    sent = rules.with_bundle_result(waiting, "ada", "e1")
    assert sent.outcome == rules.MAILED
    assert sent.recipients == (DeliveredTo("ada", rules.MAILED, "e1"), both[1])
    left = rules.with_bundle_result(waiting, "ada", None)
    assert left.outcome == rules.WAITING
    assert not rules.reaches_nobody(left)
    assert rules.reaches_nobody(rules.with_bundle_result(left, "bob", None))
    # A repetition finds nothing that waits.
    assert rules.with_bundle_result(sent, "ada", "e2") == sent


@pytest.mark.parametrize("mode", ["off", "shadow", "pilot"])
def test_nobody_sends_by_hand_what_has_not_gone_live(mode: str) -> None:
    with pytest.raises(Conflict, match="gets none") as refused:
        rules.check_sendable(INVOICE, replace(ENTITY, invoice_mail=Rollout(mode, ("other",))))
    assert refused.value.code == "invoice_mail_not_live"


def test_old_invoices_are_sent_by_hand_and_void_ones_are_not() -> None:
    rules.check_sendable(replace(INVOICE, issue_date=date(2020, 1, 1)), ENTITY)
    with pytest.raises(Conflict, match="void"):
        rules.check_sendable(replace(INVOICE, status="void"), ENTITY)


def test_portal_users_send_twenty_an_hour() -> None:
    instants = [NOW + timedelta(minutes=minute) for minute in range(20)]
    rules.check_send_limit(instants[:19], NOW + timedelta(minutes=20))
    with pytest.raises(LimitReached) as refused:
        rules.check_send_limit(instants, NOW + timedelta(minutes=20))
    assert refused.value.retry_after == 40 * 60
    rules.check_send_limit(instants, NOW + timedelta(minutes=60))
