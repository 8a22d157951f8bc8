"""Render an email: subject, text and HTML from its templates, in the reader's language and the sender's colours.

Names come from strangers. Whatever they contain, the email stays valid: values are reduced to one line without control
characters before any template sees them, HTML is escaped, and each name is isolated from the direction of the text
around it. After a name that ends in a full stop ("Ltda."), the sentence gets no second one.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from gettext import NullTranslations
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from babel import Locale, numbers
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context, pass_eval_context, select_autoescape
from jinja2.nodes import EvalContext
from jinja2.runtime import Context
from markupsafe import Markup

from chalicelib import colours, languages, money
from chalicelib.address_format import address_lines
from chalicelib.entities.rules import Entity

TEMPLATES = Path(__file__).parent / "templates"

_MAX_VALUE_LENGTH = 250
_MAX_SUBJECT_LENGTH = 180
_ISOLATE, _POP_ISOLATE = "\u2068", "\u2069"
_ISOLATION = re.compile(f"</?bdi>|[{_ISOLATE}{_POP_ISOLATE}]")
_ENDED_BY_VALUE = re.compile(r"(?P<place>%\((?P<name>\w+)\)s)(?P<stop>[.。])")


@dataclass(frozen=True)
class RenderedMail:
    """The rendered email."""

    subject: str
    text: str
    html: str


def render_mail(kind: str, locale: str, context: Mapping[str, Any], entity: Entity, at: datetime) -> RenderedMail:
    """Render the templates of ``kind`` for a reader of ``locale``; ``at`` is when the email was caused (UTC).

    Raises jinja2.UndefinedError when a template needs a value that ``context`` lacks.
    """
    language = languages.best_language(locale)
    reader = languages.formatting_locale(locale)
    environment = _environment(language)
    values = {
        **{name: sanitize_values(value) for name, value in context.items()},
        "entity": sanitize_values(_sender_context(entity, reader)),
        "colours": colours.build_palette(entity.colour),
        "language": language,
        "direction": "rtl" if reader.text_direction == "rtl" else "ltr",
        "reader": reader,
        "at": at.astimezone(ZoneInfo(entity.time_zone)),
    }
    subject = _one_line(environment.get_template(f"{kind}/subject.txt").render(values))[:_MAX_SUBJECT_LENGTH]
    text = _tidy(environment.get_template(f"{kind}/body.txt").render(values))
    html = environment.get_template(f"{kind}/body.html").render({**values, "subject": subject})
    return RenderedMail(subject, text, html)


def sanitize_values(value: Any) -> Any:
    """Return a JSON value with every text reduced to one line of at most 250 characters, without invisible controls.

    A text without visible characters becomes an ellipsis.
    """
    if isinstance(value, str):
        return _clean_text(value)
    if isinstance(value, Mapping):
        return {name: sanitize_values(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [sanitize_values(inner) for inner in value]
    return value


def _clean_text(text: str) -> str:
    kept = []
    # Four times the length suffices for ordinary text, and bounds the work.
    for character in text[: 4 * _MAX_VALUE_LENGTH]:
        category = unicodedata.category(character)
        if category in {"Cs", "Cn", "Co"}:
            kept.append("\ufffd")
        elif character.isspace() or category in {"Cc", "Zl", "Zp"}:
            kept.append(" ")
        elif category != "Cf" or character in "\u200c\u200d":
            # Of the invisible characters, only joiners belong to words (Persian, Indic scripts, emoji).
            kept.append(character)
    line = " ".join("".join(kept).split())
    if text and not line:
        return "…"
    return line if len(line) <= _MAX_VALUE_LENGTH else line[: _MAX_VALUE_LENGTH - 1].rstrip() + "…"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _tidy(text: str) -> str:
    lines: list[str] = []
    for line in text.strip().splitlines():
        if line.strip() or (lines and lines[-1]):
            lines.append(line.rstrip())
    return "\n".join(lines) + "\n"


def _sender_context(entity: Entity, reader: Locale) -> dict[str, Any]:
    return {
        "name": entity.name,
        "legal_name": entity.legal_name or entity.name,
        "address": address_lines(entity.address, reader) if entity.address else [],
        "tax_numbers": [{"kind": one.kind, "number": one.number} for one in entity.tax_numbers],
        "registration_number": entity.registration_number,
        "website": entity.website,
        "write_to": entity.support_email or entity.reply_to or entity.sender_email,
    }


@cache
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=select_autoescape(["html"], default=False),
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["ext.i18n.trimmed"] = True
    translations = languages.load_catalogue(language)
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        _gettext(translations), _ngettext(translations)
    )
    # After that of the extension, which would fill the sentences itself.
    environment.newstyle_gettext = True  # type: ignore[attr-defined]
    environment.filters.update(
        isolated=_isolate_direction,
        # French sets a no-break space before a colon.
        label=lambda text: text + ("\u00a0:" if language == "fr" else ":"),
        mail_link=_mail_link,
        date=lambda value, reader: languages.format_date(value, "long", reader),
        number=lambda value, reader: numbers.format_decimal(value, locale=reader),
        money=money.format_money,
    )
    return environment


def _gettext(translations: NullTranslations) -> Callable[..., str]:
    @pass_context
    def gettext(context: Context, sentence: str, /, **values: Any) -> str:
        return _interpolate(context, translations.gettext(sentence), values)

    return gettext


def _ngettext(translations: NullTranslations) -> Callable[..., str]:
    @pass_context
    def ngettext(context: Context, singular: str, plural: str, count: int, /, **values: Any) -> str:
        return _interpolate(context, translations.ngettext(singular, plural, count), {"num": count, **values})

    return ngettext


def _interpolate(context: Context, sentence: str, values: Mapping[str, Any]) -> str:
    """Return a catalogue sentence with its values, without a double full stop at the end."""

    def without_second(found: re.Match[str]) -> str:
        return found["place"] if _visible_text(values[found["name"]]).endswith(found["stop"]) else found[0]

    sentence = _ENDED_BY_VALUE.sub(without_second, sentence)
    if context.eval_ctx.autoescape:
        sentence = Markup(sentence)  # noqa: S704 - sentences are ours; Markup escapes the values.
    return sentence % values


def _visible_text(value: Any) -> str:
    return _ISOLATION.sub("", str(value))


@pass_context
def _isolate_direction(context: Context, name: str) -> str:
    if context.eval_ctx.autoescape:
        return Markup("<bdi>{}</bdi>").format(name)
    # Only a name of the other direction disturbs the text; other names need no marks.
    strange = {"L"} if context["direction"] == "rtl" else {"R", "AL"}
    mixed = any(unicodedata.bidirectional(character) in strange for character in name)
    return f"{_ISOLATE}{name}{_POP_ISOLATE}" if mixed else name


@pass_eval_context
def _mail_link(context: EvalContext, address: str, colour: str) -> str:
    if not context.autoescape:
        return address
    return Markup('<a href="mailto:{}" style="color:{};">{}</a>').format(quote(address, safe="@"), colour, address)
