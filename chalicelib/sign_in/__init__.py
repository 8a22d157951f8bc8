"""Signing in by email: the flow, its link and its code, its mail and its pages (A4, A5)."""
