"""The mailbox of an email address: what denials, complaints and the limits per address are compared by (C4, A5)."""


def mailbox_of(email: str) -> str:
    """Return a normalised email address without its tag (RFC 5233): ``ann+news@example.com`` is ``ann@example.com``.

    Providers deliver every tag into the same mailbox, so a person has as many addresses as they like. Email is still
    sent to, and bounces still count for, the exact address. An address that begins with ``+`` has no tag.
    """
    local, _, domain = email.rpartition("@")
    name, _, _ = local.partition("+")
    return f"{name or local}@{domain}"
