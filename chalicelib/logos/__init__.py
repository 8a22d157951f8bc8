"""Logos of issuing entities: validated, re-encoded, and stored in the bucket."""
