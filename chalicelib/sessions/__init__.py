"""Sessions: opened after a sign-in, listed, ended; the preview is a session through another's eyes (A8, A10)."""
