"""Staff: the vendor's people and their roles."""
