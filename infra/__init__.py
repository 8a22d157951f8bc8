"""Packaging, the deployment template, the local run, and the deployment test."""
