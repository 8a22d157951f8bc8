"""How bank numbers are printed."""


def format_iban(number: str) -> str:
    """Return an IBAN, or an ISO 11649 reference, in groups of four, as people read it (ISO 13616)."""
    compact = number.replace(" ", "")
    return " ".join(compact[start : start + 4] for start in range(0, len(compact), 4))
