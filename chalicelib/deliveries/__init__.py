"""Deliveries: an invoice emailed to its recipients."""
