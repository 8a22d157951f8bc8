"""From a template to HTML, in the reader's language and the brand's colours. Everything is escaped."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, PrefixLoader, StrictUndefined

from chalicelib import languages, money
from chalicelib.config import settings
from chalicelib.entities.rules import Entity
from chalicelib.permissions import Principal
from chalicelib.web import static, texts

_PACKAGES = Path(__file__).parents[1]
TEMPLATE_FOLDERS = {package: _PACKAGES / package / "templates" for package in ("web", "portal", "console")}
"""The name of a template starts with its package: ``portal/sign_in/ask.html``."""


def page_address(path: str) -> str:
    """Return the address of a page within its host; a deployment without a domain of its own has a stage in it."""
    return urlsplit(settings().public_url).path.rstrip("/") + path


def render_page(
    template: str,
    context: Mapping[str, Any],
    *,
    wanted: tuple[str, ...],
    brand: Entity | None,
    principal: Principal,
    area: str,
) -> tuple[str, str]:
    """Return the HTML of a page and its language."""
    locale = texts.choose_page_locale(wanted, brand.locale if brand else languages.SOURCE_LANGUAGE)
    language, reader = languages.best_language(locale), languages.formatting_locale(locale)
    values = {
        **context,
        "language": language,
        "direction": "rtl" if reader.text_direction == "rtl" else "ltr",
        "brand": _brand_context(brand),
        "principal": principal,
        "area": area,
        "address": page_address,
        "style": page_address(static.base_style_path()),
        "brand_style": page_address(static.brand_style_path(brand.colour if brand else static.NEUTRAL_COLOUR)),
        "date": lambda value: languages.format_date(value, "long", reader),
        "day": lambda value: languages.format_date(value, "medium", reader),
        "money": lambda minor_units, currency: money.format_money(minor_units, currency, reader),
    }
    return _template_environment(language).get_template(template).render(values), language


def _brand_context(entity: Entity | None) -> dict[str, str | None] | None:
    if entity is None:
        return None
    return {
        "name": entity.name,
        "legal_name": entity.legal_name or entity.name,
        "write_to": entity.support_email or entity.reply_to or entity.sender_email,
        "website": entity.website,
    }


@cache
def _template_environment(language: str) -> Environment:
    environment = Environment(
        loader=PrefixLoader({package: FileSystemLoader(folder) for package, folder in TEMPLATE_FOLDERS.items()}),
        undefined=StrictUndefined,
        autoescape=True,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["ext.i18n.trimmed"] = True
    translations = texts.page_translations(language)
    install: Callable[..., None] = environment.install_gettext_callables  # type: ignore[attr-defined]
    install(translations.ugettext, translations.ungettext, newstyle=True)
    return environment
