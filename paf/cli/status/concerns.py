"""The three answers of paf status: is it up, would it fail over now, what has to be done. Pure."""

from paf.cli.status import failover, nodes, orders, service
from paf.cli.status.concern import FAILOVER, UP, answer

#: Each yields Concerns from (report so far, view.View, Configuration, Managed, report.Facts).
RULES = (service.primaries, service.members, service.addresses, service.commits,
         orders.cluster, orders.resource, orders.unmanaged, orders.constraints,
         orders.tickets, orders.scores,
         failover.fencing, failover.order, failover.votes, failover.successor, failover.address,
         nodes.membership, nodes.health, nodes.maintenance, nodes.instances, nodes.remarks,
         nodes.failures)


def answers(found, seen, configured, managed, facts):
    """Return the fields up, failover and todo (dict) of a report.

    found: the report so far (dict), with its nodes.
    """
    concerns = [item for rule in RULES
                for item in rule(found, seen, configured, managed, facts)]
    up = answer(UP, concerns)
    possible = answer(FAILOVER, concerns)
    lost = failover.loss(found, facts)
    return {
        "up": {"answer": up, "text": _because(UP, up, concerns)},
        "failover": dict(lost, answer=possible, text=lost["text"] if possible else
                         _because(FAILOVER, possible, concerns)),
        "todo": [dict(item._asdict()) for item in concerns]}


def _because(about, found, concerns):
    """Return why a question is answered as it is; "" for yes."""
    if found:
        return ""
    return "; ".join(item.what for item in concerns
                     if item.about == about and item.known == (found is False))
