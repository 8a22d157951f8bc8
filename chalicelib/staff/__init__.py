"""Staff: the vendor's people, and what their roles let them do."""
