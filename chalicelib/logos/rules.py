"""Logos: what is taken."""

FIELD = "image"
"""What the file is called in a request."""
LARGEST_BYTES = 512 * 1024
LARGEST_SIDE = 2000
"""In pixels."""
