"""Fictitious sample data."""
