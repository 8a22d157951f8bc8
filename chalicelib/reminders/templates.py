"""Reminder templates: an issuing entity's own words for steps of its reminders (R1).

A step of a policy names one. A mail takes its text for the reader's language; where there is none, or the template was
deleted since, it says what the product says in the tone of the step.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.audit import rules as audit_rules
from chalicelib.audit import service as audit
from chalicelib.call import Call
from chalicelib.errors import FieldError, Invalid, NotFound, StaleVersion
from chalicelib.reminders.wording import Text
from chalicelib.table import keys, store
from chalicelib.table.items import ReminderTemplateItem
from chalicelib.table.keys import Key

_NOT_AUDITED = frozenset({"entity_id", "template_id", "version"})


@dataclass(frozen=True)
class ReminderTemplate:
    """The words of an entity for steps of its reminders, by language (BCP 47)."""

    entity_id: str
    template_id: str
    texts: Mapping[str, Text]
    version: int = 1


@dataclass(frozen=True)
class Written:
    """A template after a write, and whether the write made it."""

    template: ReminderTemplate
    created: bool


def get_template(entity_id: str, template_id: str) -> ReminderTemplate:
    """Read a template of an entity. Raises NotFound."""
    item = store.get(ReminderTemplateItem, keys.reminder_template(entity_id, template_id))
    if item is None:
        raise NotFound()
    return store.load(ReminderTemplate, item)


def list_templates(entity_id: str, after: str | None, limit: int) -> tuple[list[ReminderTemplate], str | None]:
    """Return a page of an entity's templates in order of their ids. Raises NotFound without the entity."""
    if after is None and keys.entity(entity_id) not in store.batch([keys.entity(entity_id)]):
        raise NotFound()
    beginning = keys.reminder_templates(entity_id)
    page = store.query(beginning.pk, beginning.sk, limit=limit, after=after)
    return [store.load(ReminderTemplate, item) for item in page.items], page.after


def put_template(
    call: Call, entity_id: str, template_id: str, texts: Mapping[str, Any], expected_version: int | None = None
) -> Written:
    """Make a template or replace its texts, all of them. The same again writes nothing.

    Mails that are not claimed yet say the new words. Raises NotFound without the entity, StaleVersion.
    """

    def attempt() -> Written:
        key = keys.reminder_template(entity_id, template_id)
        entity, item = store.gather(call, keys.entity(entity_id), key)
        if entity is None:
            raise NotFound()
        before = store.load(ReminderTemplate, item) if item else None
        version = before.version if before else 0
        if expected_version is not None and expected_version != version:
            raise StaleVersion(version)
        own = {locale: Text(**text) for locale, text in texts.items()}
        after = ReminderTemplate(entity_id, template_id, own, version or 1)
        if after == before:
            return Written(before, created=False)
        transaction = store.Transaction(call)
        row = store.row(ReminderTemplateItem, key, after)
        transaction.put(row, new=before is None)
        transaction.check_exists(entity)
        _record(transaction, call, "changed" if before else "created", before, after, after)
        transaction.answers(template_id, 200 if before else 201)
        transaction.commit()
        return Written(replace(after, version=int(row.version)), created=before is None)

    return store.deciding_again(attempt)


def delete_template(call: Call, entity_id: str, template_id: str) -> None:
    """Delete a template, whether steps name it or not: those fall back to the words of their tone. Raises NotFound."""

    def attempt() -> None:
        (item,) = store.gather(call, keys.reminder_template(entity_id, template_id))
        if item is None:
            raise NotFound()
        transaction = store.Transaction(call)
        transaction.delete(item)
        before = store.load(ReminderTemplate, item)
        _record(transaction, call, "deleted", before, None, before)
        transaction.answers(template_id, 204)
        transaction.commit()

    store.deciding_again(attempt)


def keys_of(entity_id: str, given: Mapping[str, Any]) -> list[Key]:
    """Return the keys of the templates that the steps of a policy in ``given`` name."""
    named = (step.get("template") for step in given.get("steps") or ())
    return [keys.reminder_template(entity_id, one) for one in named if one is not None]


def check_named(entity_id: str, given: Mapping[str, Any], found: Mapping[Key, Any]) -> None:
    """Raise Invalid that names each step in ``given`` whose template is not among what was ``found`` of the table."""
    faults = tuple(
        FieldError(
            f"steps[{number}].template",
            "unknown_template",
            "The issuing entity has no such reminder template. Make it first, or send null for the words of the tone.",
        )
        for number, step in enumerate(given.get("steps") or ())
        if step.get("template") is not None and keys.reminder_template(entity_id, step["template"]) not in found
    )
    if faults:
        raise Invalid("invalid", faults[0].message, fields=faults)


def _record(
    transaction: store.Transaction,
    call: Call,
    done: str,
    before: ReminderTemplate | None,
    after: ReminderTemplate | None,
    named: ReminderTemplate,
) -> None:
    audit.record(
        transaction,
        call,
        f"reminder_template.{done}",
        "reminder_template",
        named.template_id,
        audit_rules.changes(before, after, without=_NOT_AUDITED),
        entity_id=named.entity_id,
    )
