"""Use cases of logos: set, remove, read."""

from datetime import timedelta

from chalicelib import storage
from chalicelib.documents.object_keys import logo_key
from chalicelib.entities.rules import Logo
from chalicelib.entities.service import get_entity, put_entity
from chalicelib.errors import NotFound
from chalicelib.request_context import RequestContext

LOGO_DOWNLOAD_LIFETIME = timedelta(minutes=1)


def put_logo(
    context: RequestContext, entity_id: str, file: bytes, expected_version: int | None = None
) -> tuple[Logo, int]:
    """Set the image in ``file`` as the logo of an issuing entity; return it, and the entity's version.

    Documents keep the logo that they were issued with, so a replaced logo stays in the bucket. Raises NotFound,
    InvalidInput that names the fault of the file, StaleVersion when ``expected_version`` is not the newest.
    """
    # Its decoders take a twentieth of a second to load, and few requests need them.
    from chalicelib.logos.images import reencode_image

    get_entity(entity_id)
    picture = reencode_image(file)
    sha256 = storage.content_sha256(picture.content)
    key = logo_key(entity_id, sha256, picture.extension)
    storage.store_object(key, picture.content, picture.media_type)
    logo = Logo(key, sha256, picture.media_type, picture.width, picture.height)
    written = put_entity(context, entity_id, {"logo": logo}, expected_version, may_create=False)
    return logo, written.entity.version


def delete_logo(context: RequestContext, entity_id: str) -> None:
    """Remove the logo of an issuing entity, if it has one. Raises NotFound."""
    put_entity(context, entity_id, {"logo": None}, may_create=False)


def get_logo(entity_id: str) -> tuple[Logo, int]:
    """Return an issuing entity's logo, and the entity's version. Raises NotFound when there is none."""
    entity = get_entity(entity_id)
    if entity.logo is None:
        raise NotFound()
    return entity.logo, entity.version


def logo_address(logo: Logo) -> str:
    """Return a URL of the logo, valid for a minute."""
    return storage.presign_download(
        logo.key, LOGO_DOWNLOAD_LIFETIME, name=logo.key.rpartition("/")[2], media_type=logo.media_type
    )
