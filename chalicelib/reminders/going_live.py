"""Going live safely: a run that is larger than an entity's limit waits for staff (R9)."""

from collections.abc import Mapping

from chalicelib.call import Call
from chalicelib.observability import logger
from chalicelib.reminders import policies
from chalicelib.table import store


def held(call: Call, counts: Mapping[str, int], *, rehearsed: bool = False) -> frozenset[str]:
    """Return which entities' runs wait for a yes; ``counts`` tells for each how many accounts are due now.

    Called by every hourly run, and ``rehearsed`` by a dry run, which leaves nothing behind.
    """
    rows = store.batch([policies.policy_key(policies.ENTITY, entity_id) for entity_id in counts])
    waiting = set()
    for entity_id, accounts in counts.items():
        policy = policies.effective(rows.get(policies.policy_key(policies.ENTITY, entity_id)))
        if accounts > policy.run_limit:
            waiting.add(entity_id)
    if waiting and not rehearsed:
        logger.warning("Runs of reminders are larger than their limits.", extra={"entities": sorted(waiting)})
    return frozenset(waiting)
