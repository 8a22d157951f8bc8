import base64
import json
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from chalicelib import storage
from chalicelib.entities import service as entities
from tests.aws import BUCKET, client
from tests.aws_calls import counted
from tests.integration.service import Service, code, faults, rows
from tests.unit.logos.images import flat, written

LOGO = "/entities/acme/logo"
PNG, JPEG, OTHER = written(flat(), "PNG"), written(flat(), "JPEG"), written(flat(colour="blue"), "PNG")


def body(file: bytes) -> dict[str, str]:
    return {"image": base64.b64encode(file).decode()}


def kept() -> dict[str, bytes]:
    """Return what is in the bucket."""
    listed = client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return {one["Key"]: client("s3").get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read() for one in listed}


@pytest.mark.parametrize(("file", "media_type", "extension"), [(PNG, "image/png", "png"), (JPEG, "image/jpeg", "jpg")])
def test_it_is_stored_under_its_content(service: Service, file: bytes, media_type: str, extension: str) -> None:
    answer = service.ask("PUT", LOGO, body(file))
    assert (answer.status, answer.headers["etag"]) == (200, '"2"')
    assert {**answer.json, "sha256": ""} == {"sha256": "", "media_type": media_type, "width": 40, "height": 20}
    assert service.get("/entities/acme")["logo"] == answer.json
    assert service.get("/entities")["items"][0]["logo"] == answer.json
    ((key, content),) = kept().items()
    assert key == f"logos/acme/{answer.json['sha256']}.{extension}"
    assert storage.content_sha256(content) == answer.json["sha256"]
    entity = entities.get_entity("acme")
    assert entity.logo
    assert entity.logo.key == key
    assert client("s3").head_object(Bucket=BUCKET, Key=key)["ContentType"] == media_type


def test_its_address_leads_to_the_bucket_for_a_minute(service: Service) -> None:
    service.put(LOGO, **body(PNG))
    answer = service.ask("GET", LOGO)
    assert (answer.status, answer.text) == (302, "")
    assert "/logos/acme/" in answer.headers["location"]
    assert "X-Amz-Expires=60&" in answer.headers["location"]


def test_the_same_again_writes_nothing(service: Service) -> None:
    first = service.ask("PUT", LOGO, body(PNG))
    before = rows()
    with counted() as calls:
        again = service.ask("PUT", LOGO, body(PNG))
    assert (again.status, again.json, again.headers["etag"]) == (200, first.json, first.headers["etag"])
    assert (calls.writes, rows()) == (0, before)


def test_another_replaces_it_and_the_old_one_is_stored_for_what_was_issued(service: Service) -> None:
    service.put(LOGO, **body(PNG))
    changed = service.ask("PUT", LOGO, body(OTHER))
    assert changed.headers["etag"] == '"3"'
    assert len(kept()) == 2


def test_it_stays_when_the_entity_is_changed(service: Service) -> None:
    logo = service.put(LOGO, **body(PNG))
    service.put("/entities/acme", name="Renamed")
    assert service.get("/entities/acme")["logo"] == logo


def test_it_is_no_field_of_the_entity(service: Service) -> None:
    assert faults(service.ask("PUT", "/entities/acme", {"logo": None})) == [("logo", "unknown_field")]


def test_it_is_taken_away(service: Service) -> None:
    service.put(LOGO, **body(PNG))
    assert service.ask("DELETE", LOGO).status == 204
    assert service.get("/entities/acme")["logo"] is None
    assert code(service.ask("GET", LOGO)) == (404, "not_found")
    before = rows()
    assert service.ask("DELETE", LOGO).status == 204
    assert rows() == before
    assert len(kept()) == 1


def test_what_changed_is_reported(service: Service) -> None:
    service.put(LOGO, **body(PNG))
    logo = service.get("/entities/acme")["logo"]
    changed = "entity.changed"
    (row,) = [row for row in rows() if row["SK"]["S"].startswith("AUDIT#") and row["action"]["S"] == changed]
    (change,) = json.loads(row["changes"]["S"])
    assert (change["field"], change["before"], change["after"]["sha256"]) == ("logo", None, logo["sha256"])


@pytest.mark.parametrize(
    ("sent", "fault"),
    [
        ({}, "required"),
        ({"image": ""}, "too_short"),
        ({"image": 7}, "wrong_type"),
        ({"image": "data:image/png;base64,AAAA"}, "not_base64"),
        ({"image": "ä"}, "not_base64"),
        (body(b"GIF89a"), "bad_format"),
        (body(b"<svg/>"), "bad_format"),
        (body(PNG[:50]), "damaged"),
        (body(b"\x89PNG\r\n\x1a\n" + b"\x00" * 512 * 1024), "too_large"),
        (body(written(flat(size=(2001, 1)), "PNG")), "too_many_pixels"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_refused_leaves_nothing(service: Service, sent: Any, fault: str) -> None:
    before = rows()
    assert faults(service.ask("PUT", LOGO, sent)) == [("image", fault)]
    assert (rows(), kept()) == (before, {})


def test_beyond_the_limit_it_is_not_even_read(service: Service) -> None:
    answer = service.ask("PUT", LOGO, {"image": "A" * 1024 * 1024})
    assert answer.status == 413


def test_of_an_unknown_entity_nothing_is_stored(service: Service) -> None:
    for method, sent in (("PUT", body(PNG)), ("DELETE", None), ("GET", None)):
        assert code(service.ask(method, "/entities/none/logo", sent)) == (404, "not_found")
    assert kept() == {}


def test_a_stale_version_is_refused(service: Service) -> None:
    assert code(service.ask("PUT", LOGO, body(PNG), if_match="7")) == (409, "stale_version")
    assert service.get("/entities/acme")["logo"] is None
    assert service.ask("PUT", LOGO, body(PNG), if_match="1").status == 200


def test_a_bucket_that_does_not_answer_leaves_the_entity_as_it_was(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dead(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://s3")

    before = rows()
    monkeypatch.setattr(storage.s3_client(), "put_object", dead)
    assert code(service.ask("PUT", LOGO, body(PNG))) == (503, "unavailable")
    assert rows() == before
