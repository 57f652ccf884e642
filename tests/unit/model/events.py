"""What can happen to the cluster of the model; each event is drawn with a number."""

from paf.actions import monitor

NAMES = ("srv1", "srv2", "srv3", "srv4", "srv5")
#: synchronous_standby_names: None for nothing, else method, number and how many names (0: "*").
RULES = (None, ("ANY", 1, 4), ("FIRST", 1, 4), ("ANY", 2, 4), ("FIRST", 1, 2), ("ANY", 1, 0))


def listed(rule, count):
    """Return one of RULES with its names, for a cluster of `count` nodes."""
    if rule is None:
        return None
    method, number, names = rule
    return method, min(number, count - 1), NAMES[:min(names, count)] or ("*",)


def happen(world, event, number):
    """Play an event; `number` says on which node."""
    name = sorted(world.machines)[number % len(world.machines)]
    EVENTS[event](world, world.machines[name], number)


def _write(world, _server, number):
    for _ in range(number + 1):
        world.write()


def _monitors(world, _server, _number):
    for name in sorted(world.nodes):
        world.look(name)


def _primary_power_cut(world, _server, _number):
    if world.primary():
        world.lose(world.primary())


def _power_on(world, server, _number):
    if not server.power:
        world.join(server.name)


def _cold_start(world, server, number):
    """All nodes lose power; all boot, or all except one."""
    for name in list(world.nodes):
        world.lose(name)
    for name in sorted(world.machines):
        if name != server.name or number % 3:
            world.join(name)


def _crash(world, server, _number):
    if server.running:
        server.crash()
        world.look(server.name)


def _fail(world, server, _number):
    """A monitor of the node's instance fails, as by its timeout: Pacemaker starts it again."""
    if server.name in world.roles and server.name in world.nodes and not server.maintenance:
        world.failed.add(server.name)


def _pass(world, _server, number):
    """Nothing happens for a while: what was new lasts then."""
    world.now += 5.0 * (number + 1)


def _turn(attribute, running=False):
    """Return an event that turns a state of a node on, or off again."""
    def turn(_world, server, _number):
        if server.running or not running:
            setattr(server, attribute, not getattr(server, attribute))
    return turn


def _kill(world, server, number):
    """The next pre-promote notification on the node is killed after so many commands."""
    world.doomed[server.name] = number


def _late(world, server, _number):
    """The node boots while the next election goes on."""
    if not server.power:
        world.late = server.name


def _move(world, server, _number):
    world.wish = None if world.wish else server.name


def _rule(world, _server, number):
    if world.rule:
        world.use(listed(RULES[1 + number % (len(RULES) - 1)], len(world.machines)))


def _restart_attributes(world, server, _number):
    """The attribute manager of a node ends, and what the node has published in its memory is gone.

    Until the next monitor there.
    """
    if server.name in world.nodes:
        world.reasons.pop(server.name, None)
        world.forget_values(server.name)
        server.notes.remove("manager")    # it names another process
        world.look(server.name)


def _remove(world, server, _number):
    """A node that is off is taken out of the cluster, with all that the CIB has of it.

    One only: who removes more of them accepts what only they have.
    """
    name = server.name
    if name not in world.nodes and not world.removed:
        world.removed.add(name)
        for values in (world.scores, world.rules, world.last_words, world.acknowledged,
                       world.copies, world.roles):
            values.pop(name, None)


def _set_back(world, server, number):
    """The data directory of an instance that does not run is restored as it was before.

    From a copy or a snapshot; or from a base backup, which has a label. Of one that was not shut
    down, only the primary can know how far it was: its monitor looks; without one, nothing says it.
    """
    if server.running or len(server.wal) < 2 or not world.rule:
        return
    if number % 2:
        server.labelled = True
    elif world.primary() == server.name:    # it crashed, and is recovered where it is
        return
    elif world.primary():
        world.look(world.primary())
    elif server.name not in world.last_words:
        return
    server.wal = server.wal[:max(1, len(server.wal) - 1 - number)]
    world.set_back.add(server.name)


def _by_hand(world, _server, number):
    """An administrator runs the servers without the cluster, which is down, and stops them again.

    Then the cluster starts, and looks at what is there. No primary is run beside the last one, or
    without it: those would be two primaries, which no agent can prevent.
    """
    servers = [one for one in world.machines.values() if not one.bare]
    here = [one for one in servers if one.power]
    primary = max(servers, key=lambda one: one.position)
    if not world.rule or not primary.power or not primary.was_primary or any(
            one.running or not one.clean or one.wal != primary.wal[:len(one.wal)]
            for one in servers):
        return
    for one in here:
        one.running, one.primary = True, one is primary
    for _ in range(number + 1):
        world.write()
    primary.stop()
    for one in here:
        one.stop()
    for name in sorted(world.nodes):
        world.act(name, monitor, {}, interval=0)


EVENTS = {
    "write": _write,
    "monitor": lambda world, _server, _number: world.look(world.primary()),
    "monitors": _monitors,
    "power cut": lambda world, server, _number: world.lose(server.name),
    "primary's power cut": _primary_power_cut,
    "power on": _power_on,
    "cold start": _cold_start,
    "crash": _crash,
    "monitor fails": _fail,
    "time passes": _pass,
    "standby mode": _turn("standby"),
    "maintenance": _turn("maintenance"),
    "deaf": _turn("deaf"),
    "stalled": _turn("stalled"),
    "vague": _turn("vague", running=True),
    "mute": _turn("mute"),
    "kill": _kill,
    "late": _late,
    "move": _move,
    "rule": _rule,
    "attributes restart": _restart_attributes,
    "removed": _remove,
    "set back": _set_back,
    "by hand": _by_hand,
}
