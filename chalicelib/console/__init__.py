"""The pages of staff in a browser, one module a subject, above all capabilities."""
