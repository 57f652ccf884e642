"""paf metrics: this node in the words of OpenMetrics, which node_exporter and Prometheus read."""

import os
import re
import tempfile
import time

from paf.cli.common import ERROR, NOT_DONE, OK, Problem, complain, say
from paf.cli.health import looks, series

HELP = "print metrics of this node, for Prometheus"
TEXT = """Prints what this node knows of itself and of the cluster, as OpenMetrics. With --file it
writes a file for node_exporter's textfile collector instead, in one step: a reader sees the old
file or the new one. paf-metrics.timer does so every 15 s, once it is enabled. The outage of the
last failover comes from the logs (see paf history), and is looked for once after each promotion;
only with --file. With --resource each value has its label, so that a file for each resource can be
read. A value that is not known is left out, never shown as 0; paf_look_success is 0
where the cluster could not be asked. Nothing is written but the file."""
EXAMPLES = ("paf metrics", "paf metrics --file /var/lib/prometheus/node-exporter/paf.prom")
EXIT_CODES = ((OK, "done"), (NOT_DONE, "the cluster could not be asked: paf_look_success is 0"),
              (ERROR, "the file cannot be written"))

KIND = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_SETTLED = 60.0         # seconds after which an address has followed its primary
_NEAR = 30.0            # seconds between the end of a promotion in the logs and in the CIB
_LONGEST = 1 << 20      # bytes of the file of the time before


def arguments(parser):
    """Declare the verb's arguments."""
    parser.add_argument("--file", metavar="PATH", default="", help="write this file instead")
    parser.add_argument("--resource", metavar="NAME", default="",
                        help="the resource, where the cluster has several")


def run(options):
    """Print or write the metrics; return the exit code."""
    facts, standbys = _look(options.resource)
    if facts.unknown:
        complain(facts.unknown)
    if options.file:
        old = before(options.file)
        found = series.of(facts, standbys, time.time(), old, options.resource)
        if _is_due(facts, old):
            # first: the logs may take longer than systemd lets this run, and are read once
            _replace(options.file, series.text(found + list(series.of_failover(
                facts.resource, series.promoted_at(facts), None, None))))
        found += list(_outage(facts, old))
        _replace(options.file, series.text(found))
    else:
        say(series.text(series.of(facts, standbys, time.time(), {}, options.resource)).rstrip("\n"))
    return NOT_DONE if facts.unknown else OK


def page(resource):
    """Return the metrics (str) as they are now. resource: its name, "" where there is one only."""
    facts, standbys = _look(resource)
    return series.text(series.of(facts, standbys, time.time(), {}, resource))


def _look(resource):
    """Return looks.Looked, and what the server says of its standbys (looks.SaidOfStandbys, None).
    """
    facts = looks.look(resource, whole=True)
    return facts, looks.standbys(facts)


def _is_due(facts, old):
    """Return whether the logs have to be read: there was a promotion since the last time."""
    promoted = series.promoted_at(facts)
    return (promoted is not None and promoted != old.get(series.LOOKED_FOR)
            and time.time() - promoted > _SETTLED)


def _outage(facts, old):
    """Yield the outage of the last failover; from the logs, if there was a promotion since then.

    old: what the file has had. That is of the last failover only where no later promotion is known;
    nothing where it is not known which one was the last: after a cleanup, or without a primary.
    """
    promoted, looked = series.promoted_at(facts), old.get(series.LOOKED_FOR)
    if promoted is None:
        return    # where the look failed, not even the resource is known
    length, ended = old.get(series.OUTAGE), old.get(series.FAILOVER)
    if promoted != looked:
        length = ended = None
        if _is_due(facts, old):
            try:
                length, ended = _in_logs(facts.resource, promoted)
                looked = promoted
            except Problem:
                pass    # the next run looks again
    for item in series.of_failover(facts.resource, looked, length, ended):
        yield item


def _in_logs(resource, promoted):
    """Return (length of the last outage, its end), seconds; None where the logs have none.

    promoted: when the present primary was promoted, epoch seconds: logs without that promotion do
    not say which outage was the last one. Raises Problem.
    """
    from paf.cli.timeline import event_text, events, gather
    import argparse  # novm
    wanted = argparse.Namespace(log=[], resource=resource, vip=[], output="json")
    every = gather.history(wanted).events
    found = [event for event in every if event.up is not None and event.kind != events.ADDRESS]
    if not any(item.operation == "promote" and item.resource == resource
               and abs((item.end or item.start) - promoted) < _NEAR
               for event in every for item in event.actions):
        return None, None
    return (event_text.outage(found[-1]), found[-1].up) if found else (None, None)


def before(name):
    """Return what the file has had (dict of name to float), for what has to outlive a look."""
    try:
        with open(name) as stream:
            lines = stream.read(_LONGEST).splitlines()
    except (IOError, OSError, UnicodeError):
        return {}
    found = {}
    for line in lines:
        match = re.match(r"([a-z_]+)(?:\{[^{}]*\})? ([0-9.e+-]+)$", line)
        if match:
            try:
                found[match.group(1)] = float(match.group(2))
            except ValueError:
                continue
    return found


def _replace(name, content):
    """Write a file in one step. Raises Problem."""
    folder, base = os.path.split(os.path.abspath(name))
    try:
        descriptor, temporary = tempfile.mkstemp(".new", "." + base, folder)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content.encode("utf-8"))
            os.chmod(temporary, 0o644)
            os.rename(temporary, name)
        except (IOError, OSError):
            os.unlink(temporary)
            raise
    except (IOError, OSError) as error:
        raise Problem("cannot write {0}: {1}".format(name, error.strerror))
