"""Who may do what: API keys and the permission table (A11, A12)."""
