"""An entity's own words: placeholders, languages, and that nothing in them is ever evaluated."""

from html import escape
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.mail import message
from chalicelib.reminders.policy import wording
from chalicelib.reminders.policy.wording import BadPlaceholder, FilledText, TemplateText
from tests.unit.mail.samples import AT, CONTEXTS, ENTITY
from tests.unit.mail.test_message import read

VALUES = {name: f"<{name}>" for name in wording.PLACEHOLDERS}


def plain(line: wording.TextLine) -> str:
    return "".join(piece.text for piece in line)


def test_placeholders_stand_for_values_and_doubled_braces_for_one() -> None:
    text = TemplateText("{invoice} of {account}", "{{{amount}}} and {{days}}\nby {due_date}\n\nYours, {sender}")
    words = wording.fill_placeholders(text, VALUES)
    assert plain(words.subject) == "<invoice> of <account>"
    assert [[plain(line) for line in lines] for lines in words.paragraphs] == [
        ["{<amount>} and {days}", "by <due_date>"],
        ["Yours, <sender>"],
    ]
    assert [piece.is_value for piece in words.subject] == [True, False, True]


@pytest.mark.parametrize(
    ("text", "code", "shown"),
    [
        ("{nobody}", "unknown_placeholder", "{nobody}"),
        ("{}", "unknown_placeholder", "{}"),
        ("{0}", "unknown_placeholder", "{0}"),
        ("{ amount }", "unknown_placeholder", "{ amount }"),
        ("{Amount}", "unknown_placeholder", "{Amount}"),
        ("{amount:>9}", "unknown_placeholder", "{amount:>9}"),
        ("{amount!r}", "unknown_placeholder", "{amount!r}"),
        ("{sender.__class__}", "unknown_placeholder", "{sender.__class__}"),
        ("{" + "x" * 99 + "}", "unknown_placeholder", "{" + "x" * 40 + "}"),
        ("{amount", "unbalanced_brace", "{amount}"),
        ("amount}", "unbalanced_brace", "{amount}"),
        ("{amount}}", "unbalanced_brace", "{amount}"),
        ("{{{amount}}", "unbalanced_brace", "{amount}"),
        ("{{% for x in y %}}", None, ""),
        ("{{amount}}", None, ""),
        ("${amount}", None, ""),
    ],
)
def test_what_may_stand_in_braces(text: str, code: str | None, shown: str) -> None:
    if code is None:
        wording.check_placeholders(text)
        return
    with pytest.raises(BadPlaceholder) as refused:
        wording.check_placeholders(text)
    assert refused.value.code == code
    assert shown in str(refused.value)
    assert all(f"{{{name}}}" in str(refused.value) for name in wording.PLACEHOLDERS)


TEXTS = {tag: TemplateText(tag, tag) for tag in ("de-AT", "de-CH", "en", "en-GB", "pt-BR", "zh-Hant-TW")}


@pytest.mark.parametrize(
    ("locale", "found"),
    [
        ("en", "en"),
        ("en-GB", "en-GB"),
        ("en-US", "en"),
        ("en_US", "en"),
        ("de-CH", "de-CH"),
        ("de", "de-AT"),
        ("de-DE", "de-AT"),
        ("pt-PT", "pt-BR"),
        ("zh-Hant-HK", "zh-Hant-TW"),
        ("zh-Hans-CN", None),
        ("ja", None),
        ("d", None),
    ],
)
def test_whose_words(locale: str, found: str | None) -> None:
    text = wording.text_for_locale(TEXTS, locale)
    assert (text.subject if text else None) == found


HOSTILE = st.sampled_from(
    [
        "{{ 7 * 7 }}",
        "{% raw %}",
        "<script>",
        "</p>",
        "&amp;",
        "{sender}",
        "{0.__class__}",
        "\u202e",
        "%(x)s",
        "דנה",
        "$x",
    ]
)
NAMES = st.lists(HOSTILE | st.text(max_size=20), max_size=6).map("".join)


def own(text: TemplateText, names: list[str]) -> FilledText:
    """Return words as a mail takes them: what is not a name of the house is cleaned there."""
    values: dict[str, str] = message.sanitize_values(dict(zip(wording.PLACEHOLDERS, names, strict=True)))
    return wording.fill_placeholders(text, values)


@settings(deadline=None)
@given(
    text=st.lists(HOSTILE | st.text(max_size=20), min_size=1, max_size=8).map("".join),
    names=st.lists(NAMES, min_size=len(wording.PLACEHOLDERS), max_size=len(wording.PLACEHOLDERS)),
)
def test_whatever_was_written_is_filled_or_refused(text: str, names: list[str]) -> None:
    values = dict(zip(wording.PLACEHOLDERS, names, strict=True))
    try:
        wording.check_placeholders(text)
    except BadPlaceholder:
        return
    words = wording.fill_placeholders(TemplateText(text, text), values)
    shown = "\n\n".join("\n".join(map(plain, lines)) for lines in words.paragraphs)
    assert shown == text.format(**values)
    assert all(piece.text in names for piece in words.subject if piece.is_value)


@settings(deadline=None)
@given(
    literal=st.lists(HOSTILE | st.text(max_size=20), max_size=4).map("".join),
    names=st.lists(NAMES, min_size=len(wording.PLACEHOLDERS), max_size=len(wording.PLACEHOLDERS)),
)
def test_a_mail_shows_it_as_it_is_and_stays_whole(literal: str, names: list[str]) -> None:
    written = " ".join("".join(part for part in literal if part.isprintable()).split())
    escaped = written.replace("{", "{{").replace("}", "}}")
    context: dict[str, Any] = {
        **CONTEXTS["reminder"],
        "words": own(TemplateText(f"{escaped} {{account}}", f"A{escaped}\nB{{sender}}\n\nC{{contact}}"), names),
    }
    rendered = message.render_mail("reminder", "en", context, ENTITY, AT)
    page = read(rendered.html)
    ours = message.render_mail("reminder", "en", CONTEXTS["reminder"], ENTITY, AT)
    assert page.tags.count("p") == read(ours.html).tags.count("p") + 1, "two paragraphs in the place of one"
    assert "script" not in page.tags
    assert f"<bdi>A{escape(written)}<br>B<bdi>".replace("&quot;", "&#34;").replace("&#x27;", "&#39;") in rendered.html
    assert f"A{written}\nB" in rendered.text
    assert "\n" not in rendered.subject
