"""PDF documents: how they are set, and where they are kept."""
