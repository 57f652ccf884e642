"""notify: most of what Pacemaker announces asks for nothing, and has to cost nothing.

A recovery announces ten things, one after the other, on all nodes, while clients wait.
"""

import sys

from paf import ocf

#: What a notification's kind and operation ask for: a module of paf.notifications.
_MODULES = {
    ("pre", "promote"): "pre_promote",
    ("post", "promote"): "post_promote",
    ("pre", "demote"): "pre_demote",
    ("post", "start"): "post_start",
}


def module(environment):
    """Return the name of the module that does what is announced, None where nothing is to do.

    environment: ocf.Environment.
    """
    return _MODULES.get((environment.meta("notify_type"), environment.meta("notify_operation")))


def run(context):
    """Do what the notification requests and return SUCCESS, whatever the result.

    Pacemaker ignores the status of notify actions; attributes carry what matters.
    """
    if context.log.debugging:
        from paf.decide.transition import picture
        context.log.debug("notify: {0}".format(picture(context.notification)))
    name = module(context.environment)
    if name and context.in_cluster:
        from paf import refused
        refused.check_programs(context)    # votes need programs that know the data directory
        name = "paf.notifications." + name
        __import__(name)
        sys.modules[name].run(context)
    return ocf.SUCCESS
