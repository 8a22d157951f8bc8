"""An issuing entity's go-live stage can be imported like its other fields (R9)."""

from chalicelib.entities.rules import Rollout
from chalicelib.entities.service import get_entity
from tests.integration.imports.imports import ACCOUNTS, imported, mapping, told

FIELDS = {
    "entity_id": {"column": "id"},
    "invoice_mail.mode": {"column": "mode"},
    "invoice_mail.pilot_account_ids": {"column": "pilots", "list": {"separator": ";"}},
    "live_from": {"column": "from", "date": ["%d.%m.%Y"]},
    "invoice_addressing": {"constant": "together"},
}
KIND = {"kind": "entities", "fields": FIELDS}


def test_going_live_by_an_import(entity: None) -> None:
    rollout = "id,mode,pilots,from\nacme,pilot,a1;a2,01.02.2026\n"
    early = imported(rollout, mapping(KIND))
    assert [(field, code) for _, _, field, code in told(early)] == [
        (f"invoice_mail.pilot_account_ids[{at}]", "unknown_account") for at in (0, 1)
    ]
    assert told(imported("id,name\na1,One\na2,Two\n", mapping(ACCOUNTS))) == []
    found = imported(rollout, mapping(KIND))
    assert told(found) == []
    made = get_entity("acme")
    assert made.invoice_mail == Rollout("pilot", ("a1", "a2"))
    assert (str(made.live_from), made.invoice_addressing) == ("2026-02-01", "together")


def test_going_live_without_a_day_is_refused(entity: None) -> None:
    found = imported("id,mode,pilots,from\nacme,live,,\n", mapping(KIND))
    assert [(field, code) for _, _, field, code in told(found)] == [("live_from", "required")]
    assert get_entity("acme").invoice_mail == Rollout()
