"""Deliveries: invoices mailed to the invoicing contacts."""
