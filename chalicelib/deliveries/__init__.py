"""Deliveries: an invoice mailed to those who are to have it."""
