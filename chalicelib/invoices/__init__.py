"""Invoices and credit notes: issued once, and what is open of them."""
