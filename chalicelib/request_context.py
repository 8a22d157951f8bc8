"""Who asks for a use case, when, and under which idempotency key."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Actor:
    """Who acts, as the audit names them.

    ``kind`` is one of ``api_key``, ``staff``, ``portal_user``, ``system``, ``console``, or ``contact`` who replies to a
    reminder without a sign-in; an import acts as whoever started it.
    """

    kind: str
    id: str
    name: str


@dataclass(frozen=True)
class Idempotency:
    """An ``Idempotency-Key`` of one principal, with the hash of the request that it stands for."""

    principal: str
    key: str
    body_hash: str


@dataclass(frozen=True)
class RequestContext:
    """The circumstances of one use case. ``now`` is aware UTC."""

    actor: Actor
    now: datetime
    correlation_id: str
    idempotency: Idempotency | None = None
    mails_allowed: bool = True
    """False while an import runs that was not asked to mail anybody."""

    @property
    def is_billing_system(self) -> bool:
        """Tell whether the vendor's billing system speaks, whose values are remembered (DESIGN §5)."""
        return self.actor.kind in {"api_key", "console"}
