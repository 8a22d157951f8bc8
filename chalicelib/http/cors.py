"""Cross-origin requests. Chalice knows one fixed origin and forgets it on errors, so this is done here.

The API takes bearer tokens and no cookies, so credentials are never allowed.
"""

ALLOWED_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-Match, X-Correlation-Id"
EXPOSED_HEADERS = "Allow, ETag, Location, Retry-After, X-Correlation-Id"
PREFLIGHT_SECONDS = 7200


def cors_headers(origin: str | None, allowed_origins: tuple[str, ...]) -> dict[str, str]:
    """Return the headers of every reply to ``origin``, errors included."""
    headers = {"Vary": "Origin"}
    if _is_allowed(origin, allowed_origins):
        headers["Access-Control-Allow-Origin"] = str(origin)
        headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
    return headers


def preflight_headers(origin: str | None, allowed_origins: tuple[str, ...], methods: str) -> dict[str, str]:
    """Return what the answer to OPTIONS adds; ``methods`` are separated by commas."""
    headers = {"Allow": methods}
    if _is_allowed(origin, allowed_origins):
        headers["Access-Control-Allow-Methods"] = methods
        headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
        headers["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
    return headers


def _is_allowed(origin: str | None, allowed_origins: tuple[str, ...]) -> bool:
    return origin is not None and (origin in allowed_origins or "*" in allowed_origins)
