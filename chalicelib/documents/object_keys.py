"""The keys of documents and logos in the bucket. They name the content (its SHA-256), so storing it is idempotent."""

PDF_MEDIA_TYPE = "application/pdf"


def document_key(kind: str, subject: str, content_hash: str) -> str:
    """Return the key of the PDF with ``content_hash`` of a document; ``kind`` is ``invoices`` or ``statements``."""
    return f"documents/{kind}/{subject}/{content_hash}.pdf"


def upload_key(kind: str, subject: str, content_hash: str) -> str:
    """Return the upload key of a PDF until it is accepted. The bucket expires it after a day."""
    return f"uploads/{kind}/{subject}/{content_hash}.pdf"


def logo_key(entity_id: str, content_hash: str, extension: str) -> str:
    """Return the key of a logo of an issuing entity."""
    return f"logos/{entity_id}/{content_hash}.{extension}"
