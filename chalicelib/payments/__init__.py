"""Payments, and how payments and credit notes settle invoices."""
