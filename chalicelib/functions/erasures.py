"""Console functions of erasures."""

from chalice.app import Blueprint

from chalicelib.contacts import erasure
from chalicelib.functions.console_function import ConfirmedInput, Invocation, Output, console_function

erasure_functions = Blueprint(__name__)


class ReplayErasuresInput(ConfirmedInput):
    """Nothing but whether to do it."""


def _preview_erasures(request: ReplayErasuresInput, invocation: Invocation) -> Output:
    return {"would_begin": erasure.replay_erasures(invocation.context, confirmed=False)}


@console_function(erasure_functions, ReplayErasuresInput, dry_run=_preview_erasures, confirm_to="begin them")
def replay_erasures(request: ReplayErasuresInput, invocation: Invocation) -> Output:
    """Start again every erasure of the ledger whose contact exists, as after a restore: ``{"confirm": true}``."""
    return {"begun": erasure.replay_erasures(invocation.context, confirmed=True)}
