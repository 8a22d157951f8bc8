"""Logos: limits of uploads."""

LOGO_FIELD = "image"
"""The field of the file in a request."""
MAX_LOGO_BYTES = 512 * 1024
MAX_LOGO_SIDE = 2000
"""In pixels."""
