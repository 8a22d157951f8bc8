"""Payments, and what they and credit notes settle of invoices."""
