"""Use cases of logos."""

from datetime import timedelta

from chalicelib.call import Call
from chalicelib.documents import files
from chalicelib.entities import service as entities
from chalicelib.entities.rules import Logo
from chalicelib.errors import NotFound

DOWNLOAD_LASTS = timedelta(minutes=1)


def put_logo(call: Call, entity_id: str, file: bytes, expected_version: int | None = None) -> tuple[Logo, int]:
    """Give an issuing entity the picture in ``file`` as its logo; return it, and the entity's version.

    Documents keep the logo that they were issued with, so what was kept before stays in the bucket. Raises NotFound,
    Invalid that names what is wrong with the file, StaleVersion when ``expected_version`` is not the newest.
    """
    # Its decoders take a twentieth of a second to load, and few requests need them.
    from chalicelib.logos.pictures import drawn_anew

    entities.get_entity(entity_id)
    picture = drawn_anew(file)
    sha256 = files.sha256(picture.content)
    key = files.logo_key(entity_id, sha256, picture.extension)
    files.keep(key, picture.content, picture.media_type)
    logo = Logo(key, sha256, picture.media_type, picture.width, picture.height)
    written = entities.put_entity(call, entity_id, {"logo": logo}, expected_version, may_create=False)
    return logo, written.entity.version


def delete_logo(call: Call, entity_id: str) -> None:
    """Take an issuing entity's logo away, where it has one. Raises NotFound."""
    entities.put_entity(call, entity_id, {"logo": None}, may_create=False)


def get_logo(entity_id: str) -> tuple[Logo, int]:
    """Return an issuing entity's logo, and the entity's version. Raises NotFound when there is none."""
    entity = entities.get_entity(entity_id)
    if entity.logo is None:
        raise NotFound()
    return entity.logo, entity.version


def address_of(logo: Logo) -> str:
    """Return an address that shows a logo for a minute."""
    return files.download_address(logo.key, DOWNLOAD_LASTS, logo.key.rpartition("/")[2], logo.media_type)
