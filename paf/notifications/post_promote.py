"""After a promotion: the election is over."""


def run(context):
    """Clear away what the election left in this node's attributes. Raises OcfError."""
    context.cluster.forget(context.deadline)
