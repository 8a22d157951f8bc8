"""Names in many scripts, and fields of an account that contradict each other."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.accounts.rules import (
    Account,
    PaymentTerms,
    check_account,
    first_matching_word,
    fold_for_search,
    matches_search_words,
    search_words,
)
from chalicelib.errors import InvalidInput
from chalicelib.table import keys

ACCOUNT = Account("a", "e", "Name", "EUR")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("É. Müller-Straße 3", ("e", "muller", "strasse", "3")),
        ("Ελλάδα ΑΕ", ("ελλαδα", "αε")),
        ("ООО «Ёлка»", ("ооо", "елка")),
        ("İstanbul", ("istanbul",)),
        ("ﬁnance ①２３", ("finance", "123")),
        ("株式会社 山田", ("株式会社", "山田")),
        ("한국전력공사", ("한국전력공사",)),
        ("شركة الْقَاهِرَة", ("شركة", "القاهرة")),
        ("कंपनी लिमिटेड", ("कंपनी", "लिमिटेड")),
        ("O'Brien & Sons, Inc.", ("o", "brien", "sons", "inc")),
        ("Acme acme ACME", ("acme",)),
        ("☎\ufe0f Shop", ("shop",)),
        ("  —  ", ()),
    ],
)
def test_words(name: str, words: tuple[str, ...]) -> None:
    assert search_words(name) == words


def test_at_most_12_words_of_at_most_40_letters() -> None:
    assert search_words(" ".join(f"w{number}" for number in range(30))) == tuple(f"w{number}" for number in range(12))
    assert search_words("x" * 200) == ("x" * 40,)
    assert matches_search_words("x" * 200, search_words("x" * 100))


@given(st.text(max_size=60))
def test_a_name_is_found_by_itself_and_by_each_beginning_of_each_word(name: str) -> None:
    words = search_words(name)
    assert matches_search_words(name, words)
    for word in words:
        assert search_words(word) == (word,) or len(word) == 40
        for length in range(1, len(word) + 1):
            assert matches_search_words(name, (word[:length],))


@given(st.text(max_size=40))
def test_accents_and_case_do_not_matter(name: str) -> None:
    assert fold_for_search(fold_for_search(name)) == fold_for_search(name)
    assert fold_for_search(name) == fold_for_search(name.casefold())


@st.composite
def names_and_beginnings(draw: st.DrawFn) -> tuple[str, str]:
    """A name, often of words that begin alike; and what one of them begins with, or may begin with."""
    alike = st.lists(st.text("abÀ", min_size=1, max_size=4), max_size=8).map(" ".join)
    name = draw(st.one_of(alike, st.text(max_size=40)))
    words = search_words(name)
    if words and draw(st.booleans()):
        word = draw(st.sampled_from(words))
        return name, word[: draw(st.integers(1, len(word)))]
    return name, draw(st.one_of(st.text("ab", min_size=1, max_size=3), st.text(min_size=1, max_size=3)))


def test_the_first_match_is_the_first_of_the_words_that_begin_so() -> None:
    drawn: Counter[int] = Counter()

    @settings(derandomize=True, database=None)
    @given(names_and_beginnings())
    def check(case: tuple[str, str]) -> None:
        fitting = [word for word in search_words(case[0]) if word[: len(case[1])] == case[1]]
        drawn[min(len(fitting), 2)] += 1
        assert first_matching_word(*case) == (sorted(fitting)[0] if fitting else None)

    check()
    # Else the property would hold of whatever never finds a word.
    assert all(drawn[matches] >= 10 for matches in (0, 1, 2)), drawn


@pytest.mark.parametrize(
    ("beginning", "found"), [("b", "bakery"), ("bl", "blue"), ("bird", "bird"), ("birds", None), ("akery", None)]
)
def test_the_first_match_of_a_name(beginning: str, found: str | None) -> None:
    assert first_matching_word("Blue Bird Bakery", beginning) == found


def test_every_wanted_word_must_begin_some_word() -> None:
    assert matches_search_words("Blue Bird Bakery", ("ba", "bl"))
    assert not matches_search_words("Blue Bird Bakery", ("ba", "x"))
    assert not matches_search_words("Blue Bird Bakery", ("akery",))


@given(st.text(min_size=1, max_size=30), st.integers(1, 30))
def test_all_words_with_a_searchable_beginning_lie_in_its_partition(name: str, length: int) -> None:
    for word in search_words(name):
        beginning = word[:length]
        if keys.is_searchable(beginning):
            assert keys.account_word(word, "a").pk == keys.account_word(beginning, "").pk


@pytest.mark.parametrize(
    ("account", "field"),
    [
        (replace(ACCOUNT, payment_terms=PaymentTerms("net")), "payment_terms.days"),
        (replace(ACCOUNT, payment_terms=PaymentTerms("net", 366)), "payment_terms.days"),
        (replace(ACCOUNT, payment_terms=PaymentTerms("due_on_receipt", 5)), "payment_terms.days"),
        (replace(ACCOUNT, country="DE", subdivision="US-CA"), "subdivision"),
        (replace(ACCOUNT, subdivision="US-CA"), "subdivision"),
    ],
)
def test_what_contradicts_itself_is_refused(account: Account, field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        check_account(account)
    assert [fault.field for fault in refusal.value.fields] == [field]


@pytest.mark.parametrize("days", [1, 30, 365])
def test_net_terms_of_1_to_365_days(days: int) -> None:
    check_account(replace(ACCOUNT, payment_terms=PaymentTerms("net", days), country="US", subdivision="US-CA"))
