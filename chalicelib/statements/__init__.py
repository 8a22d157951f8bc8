"""Statements of account: what is open, by age."""
