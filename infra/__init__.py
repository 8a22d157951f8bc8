"""Packaging, the deployment template, the local run, and the deployment test."""

CONSOLE_MODULES = "chalicelib.functions."
"""Where the functions are that people invoke: those of these modules that no queue invokes."""
