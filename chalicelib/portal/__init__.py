"""The pages of customers in a browser, one module a subject, above all capabilities."""
