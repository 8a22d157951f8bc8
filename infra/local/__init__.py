"""The local run: the same code that is deployed, on an engine that stands in for AWS."""
