"""User names and passwords, for contacts whom staff or the account's owner enable (A6)."""
