"""Texts of strangers: kept whole where they can be read, and never a hindrance."""

import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.documents import fonts, glyph_coverage, printable_text


@pytest.mark.parametrize(
    "text",
    [
        "Müller & Söhne GmbH",
        "Ångström, Łódź, Ñandú, İstanbul",
        "Ελληνική εταιρεία ἀρχή",
        "Общество с ограниченной ответственностью",
        "株式会社アクメ 北京有限公司 주식회사",
        "شركة أكمي للخدمات",
        'חברת הדוגמה בע"מ שָׁלוֹם',
        "Công ty Trách nhiệm hữu hạn",
        "नमस्ते",
        "می\u200cخواهم",
        "#strong[x] $x^2$ @label <label> `raw` \\ // /* {{ 7*7 }} {% x %} ${x} %s {0} </script>",
    ],
)
def test_what_can_be_read_is_stored(text: str) -> None:
    assert printable_text.to_single_line(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb\u2066c\u200bd\ufeffe\u00adf\U000e0041g", "abcdefg"),
        ("a\x00b\x07c\x1b[0m\x7f\x85d", "a b c [0m d"),
        ("a\ud800b\ue000c\U000f0000d\ufffee", "a\ufffdb\ufffdc\ufffdd\ufffde"),
        ("𝐂𝐨𝐦𝐩𝐚𝐧𝐲 ﷽", "Company ﷽"),
        ("Z" + "\u0301" * 500, "Ź" + "\u0301" * 4),
        ("\u0301\u0301abc", "abc"),
        ("e\u0301", "é"),
        ("👍 ok", "👍 ok"),
        ("\u2d30 ok", "\ufffd ok"),
        ("  a \t\n b  ", "a b"),
        ("\u200b\u202e", "…"),
        ("", ""),
    ],
)
def test_what_cannot_be_printed_is_left_out_or_replaced(text: str, shown: str) -> None:
    assert printable_text.to_single_line(text) == shown


def test_it_is_cut_with_an_ellipsis() -> None:
    assert printable_text.to_single_line("x" * 10_000, 20) == "x" * 19 + "…"
    assert printable_text.to_single_line("x" * 20, 20) == "x" * 20


def test_lines_are_stored_and_empty_ones_do_not_pile_up() -> None:
    assert printable_text.split_lines("\n\na\r\nb\r\n\n\n\nc\u2028d\n\n") == ["a", "b", "", "c", "d"]
    assert printable_text.split_lines("\n \n") == []


def test_long_words_get_places_to_break() -> None:
    whole = "a" * 10_000
    broken = printable_text.make_printable({"text": [whole]})["text"][0]
    assert broken.replace(printable_text.BREAK_OPPORTUNITY, "") == whole
    assert max(map(len, broken.split(printable_text.BREAK_OPPORTUNITY))) == 12
    assert printable_text.make_printable("Donaudampfschiffahrt ships") == "Donaudampfschiffahrt ships"
    assert printable_text.make_printable("株" * 100) == "株" * 100
    address = "https://billing.acme.example/portal/g-1"
    assert printable_text.make_printable(address).split(printable_text.BREAK_OPPORTUNITY) == [
        "https://",
        "billing.",
        "acme.",
        "example/",
        "portal/",
        "g-",
        "1",
    ]


def test_a_break_never_parts_a_letter_from_its_marks() -> None:
    broken = printable_text.make_printable("a\u0302\u0323" * 40)
    assert all(not unicodedata.combining(part[0]) for part in broken.split(printable_text.BREAK_OPPORTUNITY))


@given(st.text())
def test_every_character_that_is_left_has_a_glyph_and_nothing_is_hidden(text: str) -> None:
    line = printable_text.to_single_line(text)
    assert line == line.strip()
    for character in line:
        category = unicodedata.category(character)
        assert category not in {"Cc", "Cs", "Co", "Zl", "Zp"}
        assert category != "Cf" or character in "\u200c\u200d"
        assert fonts.has_glyphs(character) or character in "\u200c\u200d"


@given(st.text())
def test_cleaning_again_changes_nothing(text: str) -> None:
    line = printable_text.to_single_line(text)
    assert printable_text.to_single_line(line) == line
    assert printable_text.make_printable(line).replace(printable_text.BREAK_OPPORTUNITY, "") == line


@pytest.mark.parametrize("word", ["PURCHASEORDER2026NORTHWESTEU", "RECHNUNG20261119NORDOST00017", "W" * 28, "W" * 20])
def test_wide_words_get_places_to_break_where_they_would_leave_their_column(word: str) -> None:
    told = printable_text.make_printable({"value": word, "details": [word]})
    assert printable_text.BREAK_OPPORTUNITY in told["value"]
    assert printable_text.BREAK_OPPORTUNITY in told["details"][0]


SCRIPTS = {
    "Thai": "ใบแจ้งหนี้น้ำ",
    "Georgian": "საქართველო",
    "Armenian": "Հայաստան",
    "Bengali": "বাংলাদেশ শ্রী",
    "Tamil": "தமிழ்நாடு",
    "Telugu": "తెలుగు స్త్రీ",
    "Gujarati": "ગુજરાત શ્રી",
    "Khmer": "ព្រះរាជាណាចក្រ",
    "Lao": "ສາທາລະນະລັດ",
    "Burmese": "မြန်မာနိုင်ငံ",
    "Sinhala": "ශ්‍රී ලංකාව",
    "Amharic": "ኢትዮጵያ",
    "Emoji": "🎉🚀",
}


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS)
def test_scripts_that_have_fonts(text: str) -> None:
    assert glyph_coverage.find_missing_glyphs({"lines": [text]}) == ()
    assert printable_text.to_single_line(text) == text
    assert len(fonts.further_families(text)) == 1


def test_a_document_without_further_scripts_needs_no_further_font() -> None:
    assert fonts.further_families("Käse Ελλάδα Москва 株式会社 مرحبا שלום हिन्दी €→☎ 안녕") == []


def test_missing_glyphs_are_named_once_and_in_order() -> None:
    told = {"lines": ["ⵣⴰⴰ", {"note": "Ꮳ ok\u200d\ufe0f\n\u00a0"}], "total": 7}
    assert glyph_coverage.find_missing_glyphs(told) == ("Ꮳ", "ⴰ", "ⵣ")


def test_a_conjunct_is_never_broken_apart() -> None:
    broken = printable_text.make_printable("ক্ষ" * 60)
    for part in broken.split(printable_text.BREAK_OPPORTUNITY)[:-1]:
        assert not part.endswith("\u09cd")


def test_the_list_of_glyphs_is_that_of_the_fonts() -> None:
    """``UPDATE_GOLDENS=1`` writes it again."""
    ranges: list[list[int]] = []
    for code in sorted(fonts.covered_code_points()):
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    parts = [f"{first:x}" if first == last else f"{first:x}-{last:x}" for first, last in ranges]
    text = "\n".join(" ".join(parts[start : start + 12]) for start in range(0, len(parts), 12)) + "\n"
    if os.environ.get("UPDATE_GOLDENS") == "1":
        glyph_coverage.GLYPHS.write_text(text, encoding="ascii")
    assert glyph_coverage.GLYPHS.read_text(encoding="ascii") == text


def test_what_is_told_as_missing_is_what_is_replaced() -> None:
    for code in range(0x20, 0x30000):
        character = chr(code)
        if (
            unicodedata.category(character) in {"Cs", "Mn", "Mc", "Me"}
            or unicodedata.normalize("NFC", character) != character
        ):
            continue
        told = glyph_coverage.find_missing_glyphs(character) == (character,)
        shown = printable_text.remove_unprintable(character)
        assert told == (shown == printable_text.REPLACEMENT_CHARACTER != character), hex(code)
