"""paf history: the failovers, switchovers and recoveries that the logs tell of."""

from paf.cli.common import NOT_DONE, OK, say, say_json, table
from paf.cli.timeline import timeline

HELP = "list past failovers, switchovers and recoveries"
TEXT = """Lists what the logs (see paf timeline) tell of: when, what, from which node to which, how
long clients had no primary. The number is for paf timeline --number."""
EXAMPLES = ("paf history", "paf history --output json", "paf history --log /tmp/report")
EXIT_CODES = ((OK, "there are events"), (NOT_DONE, "the logs tell of none"))


def arguments(parser):
    """Declare the verb's arguments."""
    timeline.sources(parser)


def run(options):
    """Print the events; return the exit code."""
    found = timeline.gather(options)
    if options.output == "json":
        say_json([timeline.as_values(event) for event in found])
    else:
        rows = [["", "when", "what", "from", "to", "took", "no primary"]]
        for number, event in enumerate(found):
            length = timeline.outage(event)
            rows.append([str(number + 1), timeline.clock(event.begin), event.kind,
                         event.old or "-", event.new or "-",
                         "{0:.1f} s".format(event.end - event.begin),
                         "-" if length is None else "{0:.2f} s".format(length)])
        for line in table(rows):
            say(line)
    return OK if found else NOT_DONE
