"""paf health: answer one request of a load balancer, and end."""

import gc
import os

from paf.cli.health import kept, request
from paf.cli.health.answers import QUESTIONS
from paf.deadline import Deadline

OK, NOT_DONE = 0, 1     # those of paf.cli.common, whose import takes longer than a kept answer

HELP = "answer one HTTP request on standard input, for load balancers"
TEXT = """Reads one request from standard input, answers on standard output, and ends. systemd
listens on port 8009 (paf-health.socket, off until it is enabled), so no server has to be kept
alive. It answers from what this node knows: its Pacemaker and its server. Where the unit gives it
a folder in /run, it keeps the answers of a node that is well there, for two seconds;
/usr/libexec/paf-health, which systemd starts, gives these without starting Python.

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
    """Answer the request on standard input; return the exit code.

    options: of argparse; None where there are none.
    """
    data = request.read(Deadline(_ARRIVAL), found=_read_before())
    return _end(data, answer(request.parse(data), options.resource if options else ""))


def main():
    """Do the same as the program that systemd starts; what was kept is answered at once."""
    data = request.read(Deadline(_ARRIVAL), found=_read_before())
    asked = request.parse(data)
    # bin/paf-health has chosen this request to look, while others are given what was kept
    found = None if os.environ.get("PAF_HEALTH_LOOK") else _kept(asked)
    if found is not None:
        return _end(data, found)
    from paf.cli.main import guarded
    return guarded(lambda: _end(data, answer(asked)))


def _read_before():
    """Return what bin/paf-health has read of the request (bytes)."""
    text = os.environ.get("PAF_HEALTH_READ", "")
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


def _end(data, found):
    """Write the answer to what was read (bytes); return the exit code. found: see `answer`."""
    is_good, text = found
    _write(text)
    if len(data) >= request.LONGEST:
        request.read(Deadline(_DRAIN))    # a close with data unread would take the answer away
    return OK if is_good else NOT_DONE


def _kept(asked):
    """Return the same as `answer`, of what was kept; None where the node has to be looked at."""
    if asked.path not in QUESTIONS or asked.method not in request.METHODS + (request.AGENT,):
        return None
    answers = kept.read(asked.options.get("resource", ""))
    return None if answers is None else _answered(asked, answers)


def answer(asked, resource=""):
    """Return (whether all is well, the answer, str) to a request.Request, by a look at this node.

    resource: its name, if the request names none.
    """
    if not asked.method:
        return False, request.http("GET", 400, "this is no request that can be understood")
    if asked.method != request.AGENT and asked.method not in request.METHODS:
        return False, request.http(asked.method, 405, "GET, HEAD and OPTIONS are answered")
    resource = asked.options.get("resource", resource)
    if asked.path == "/metrics" and asked.method != request.AGENT:
        gc.enable()    # bin/paf has disabled it
        from paf.cli.health import metrics
        return True, request.http(asked.method, 200, metrics.page(resource), metrics.KIND)
    if asked.path not in QUESTIONS:
        known = ", ".join(QUESTIONS + ("/metrics",))
        if asked.method == request.AGENT:
            return False, request.agent(False, "no such question")
        return False, request.http(asked.method, 404, "there are {0}".format(known))
    return _answered(asked, _looked(resource))


def _looked(resource):
    """Return the Answers of a look at this node, and keep them."""
    from paf.cli.health import judge, looks
    facts = looks.look(resource)
    answers = judge.answers(facts)
    server = facts.server
    pid, signal = (None, "") if server is None else looks.process(facts)
    kept.keep(resource, answers, kept.began(), server and server.in_recovery, pid, signal)
    return answers


def _answered(asked, answers):
    is_good, why = answers.to(asked.path, asked.options)
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
