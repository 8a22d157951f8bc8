"""Logos of issuing entities: checked, drawn anew, and kept in the bucket."""
