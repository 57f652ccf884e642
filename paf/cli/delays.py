"""Of two nodes that fence each other, which one waits? By the parameters of their devices. Pure.

Source: pacemaker-fenced(7), pcmk_delay_base and pcmk_delay_max; fenced_commands.c of Pacemaker
3.0.2 for what it makes of them; fence agents have `delay`.
"""

from paf.cli import devices
from paf.cli.configuration import options, seconds

#: The first Pacemaker that reads pcmk_delay_base by node, and that has it at all.
_BY_NODE = (2, 1, 2)
_BASE = (1, 1, 18)


def of(configured, node):
    """Return how long the devices of a node wait before they fence it: numbers (sorted list).

    Those that wait, in seconds. None where a device waits for a random time.
    """
    found = []
    for device in configured.devices:
        if devices.serves(configured, device, node) is False:
            continue
        base = _base(configured, device.parameters.get("pcmk_delay_base", ""), node)
        longest = _whole(device.parameters.get("pcmk_delay_max"))
        if longest > base:
            return None
        found.append((min(base, longest) if longest else base)
                     + _whole(device.parameters.get("delay")))
    return sorted(one for one in found if one)


def are_equal(configured):
    """Return for how long (seconds) both of two nodes wait, 0 for not at all; None: one is first.
    """
    found = [of(configured, node) for node in devices.members(configured)]
    if None in found or any(one != found[0] for one in found):
        return None
    return sum(found[0]) if found else 0


def parameter(configured, device):
    """Return (name, value) of what makes a device's nodes wait longer than now (str, int)."""
    known = options.release(configured)
    now = max([_whole(device.parameters.get(name)) for name in (
        "pcmk_delay_base", "pcmk_delay_max", "delay")])
    return "pcmk_delay_max" if () < known < _BASE else "pcmk_delay_base", now + 10


def _base(configured, text, node):
    """Return the pcmk_delay_base (seconds, int) of a node. A map of nodes has colons."""
    if ":" not in text:
        return _whole(text)
    if () < options.release(configured) < _BY_NODE:
        return 0
    for part in text.replace(";", " ").split():
        name, _, value = part.partition(":")
        if name.lower() == node.lower():
            return _whole(value)
    return 0


def _whole(text):
    return int(seconds(text) or 0)
