"""Sample data of our own making."""
