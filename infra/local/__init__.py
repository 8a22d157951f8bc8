"""The local run: the same code that is deployed, on a local engine instead of AWS."""
