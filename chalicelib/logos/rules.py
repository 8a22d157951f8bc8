"""Logos: what is taken."""

LOGO_FIELD = "image"
"""What the file is called in a request."""
MAX_LOGO_BYTES = 512 * 1024
MAX_LOGO_SIDE = 2000
"""In pixels."""
