"""Each inverse returns the parts of its key."""

from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.table import keys

VENDOR_IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)
CURRENCIES = st.sampled_from(["EUR", "USD", "JPY"])
DAYS = st.dates(date(1990, 1, 1), date(2200, 1, 1))
INSTANTS = st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
WORDS = st.text(min_size=1, max_size=9)


@given(VENDOR_IDS, VENDOR_IDS, INSTANTS)
def test_an_account_that_is_due(account_id: str, entity_id: str, due: datetime) -> None:
    key = keys.reminder_due(account_id, entity_id, due)
    assert keys.parse_reminder_due(key.sk) == (keys.format_instant(due), account_id, entity_id)
    assert key.pk in keys.reminder_due_partitions()


@given(VENDOR_IDS, DAYS, VENDOR_IDS, CURRENCIES)
def test_a_digest(account_id: str, day: date, entity_id: str, currency: str) -> None:
    assert keys.parse_digest(keys.digest(account_id, day, entity_id, currency).sk) == (day, entity_id, currency)


@given(st.sampled_from(["bulk_mail", "reminder"]), INSTANTS)
def test_a_task(kind: str, due: datetime) -> None:
    assert keys.task_id_of(keys.task(kind, 8, "i1", due, "dut_1")) == "dut_1"


@given(WORDS, VENDOR_IDS)
def test_a_word_of_a_name(word: str, account_id: str) -> None:
    assert keys.word_of(keys.account_word(word, account_id)) == word


@given(VENDOR_IDS)
def test_an_invoice(invoice_id: str) -> None:
    assert keys.invoice_id_of(keys.invoice(invoice_id)) == invoice_id


def test_a_sign_in_flow() -> None:
    assert keys.flow_hash_of(keys.flow("0f")) == "0f"


@given(VENDOR_IDS, DAYS, DAYS, DAYS, st.integers(0, 99))
def test_mail_health_of_some_days(entity_id: str, first: date, last: date, day: date, shard: int) -> None:
    key = keys.mail_health(entity_id, day, shard)
    assert keys.mail_health_day_of(key) == day
    begin, end = keys.mail_health_days(entity_id, first, last)
    assert (begin.sk <= key.sk <= end.sk) == (first <= day <= last)


@given(VENDOR_IDS, DAYS, DAYS, VENDOR_IDS)
def test_reminders_to_come_until_a_day(entity_id: str, last: date, day: date, invoice_id: str) -> None:
    begin, end = keys.reminder_plans_until("a1", entity_id, last)
    key = keys.reminder_plan("a1", entity_id, day, invoice_id)
    assert (begin.sk <= key.sk <= end.sk) == (day <= last)
