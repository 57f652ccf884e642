"""paf health: answer one request of a load balancer, and end."""

import os

from paf.cli.common import NOT_DONE, OK
from paf.cli.health import judge, request
from paf.deadline import Deadline

HELP = "answer one HTTP request on standard input, for load balancers"
TEXT = """Reads one request from standard input, answers on standard output, and ends. systemd
listens on port 8009 (paf-health.socket, off until it is enabled), so no server has to be kept
alive. It answers from what this node knows: its Pacemaker and its server. It writes nothing.

  /primary: 200 on the primary;
  /replica: 200 on a standby that streams;
  /replica?lag=1MB: if it lags by no more than that;
  /sync: 200 on a standby that every commit waits for, by synchronous_standby_names;
  /health: 200 where the server runs, in the role that Pacemaker knows;
  /metrics: what paf metrics prints.

503 everywhere else, without quorum, and where anything needed is not known. The body has the reason
on one line. ?resource=NAME names the resource, where the cluster has several. GET, HEAD and OPTIONS
are answered. A line with a word alone, such as "primary", is HAProxy's agent check (agent-send):
the answer is "up" or "down"."""
EXAMPLES = ("paf health", "paf health --resource pgsqld")
EXIT_CODES = ((OK, "the answer was 200, or up"), (NOT_DONE, "it was something else"))

_ARRIVAL = 2.0      # seconds for a request to arrive
_DRAIN = 0.2


def arguments(parser):
    """Declare the verb's arguments."""
    parser.add_argument("--resource", metavar="NAME", default="",
                        help="the resource, where the cluster has several")


def run(options):
    """Answer the request on standard input; return the exit code."""
    data = request.read(Deadline(_ARRIVAL))
    is_good, text = answer(request.parse(data), options.resource if options else "")
    _write(text)
    if len(data) >= request.LONGEST:
        request.read(Deadline(_DRAIN))    # a close with data unread would take the answer away
    return OK if is_good else NOT_DONE


def answer(asked, resource=""):
    """Return (whether all is well, the answer, str) to a request.Request.

    resource: its name, if the request names none.
    """
    if not asked.method:
        return False, request.http("GET", 400, "this is no request that can be understood")
    if asked.method != request.AGENT and asked.method not in request.METHODS:
        return False, request.http(asked.method, 405, "GET, HEAD and OPTIONS are answered")
    resource = asked.options.get("resource", resource)
    if asked.path == "/metrics" and asked.method != request.AGENT:
        from paf.cli.health import metrics
        return True, request.http(asked.method, 200, metrics.page(resource), metrics.KIND)
    if asked.path not in judge.QUESTIONS:
        known = ", ".join(sorted(judge.QUESTIONS) + ["/metrics"])
        if asked.method == request.AGENT:
            return False, request.agent(False, "no such question")
        return False, request.http(asked.method, 404, "there are {0}".format(known))
    from paf.cli.health import looks
    is_good, why = judge.QUESTIONS[asked.path](looks.look(resource), asked.options)
    if asked.method == request.AGENT:
        return is_good, request.agent(is_good, why)
    return is_good, request.http(asked.method, 200 if is_good else 503, why)


def _write(text):
    """Write an answer; a client that went away is no error."""
    data = text.encode("utf-8", "replace")
    try:
        while data:
            data = data[os.write(1, data):]
    except (OSError, IOError):
        return
