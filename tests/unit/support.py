"""Values that many unit tests start from."""

import contextlib
import socket

from paf import accounts, instance, ocf, parameters, runner
from paf.cluster import cib

NOBODY = runner.Account("nobody", 65534, 65534, "/nonexistent")


def environment(**resource_keys):
    """Return the ocf.Environment with these OCF_RESKEY_... variables."""
    return ocf.Environment(
        {"OCF_RESKEY_" + name: value for name, value in resource_keys.items()})


def parameters_with(**values):
    """Return the parameters.Parameters with these values (str) and defaults elsewhere."""
    return parameters.read(environment(**values))


def instance_at(folder, **values):
    """Return the Instance whose data directory is `folder`."""
    return instance.Instance(parameters_with(pgdata=str(folder), **values), NOBODY)


#: A CIB is read without a name that counts.
NO_NAMES = cib.Names("", "", "", "", (), "", "", "", "", "")


class Clock:
    """A clock that only `sleep` and the test move."""

    def __init__(self):
        self.now = 1000.0
        self.pauses = []

    def __call__(self):
        """Return what time it is."""
        return self.now

    def sleep(self, seconds):
        """Advance the time, and remember by how much."""
        self.pauses.append(seconds)
        self.now += seconds


def members(words, resource="pgsqld"):
    """Return the two notify variables' values of a list of nodes, as Pacemaker sends them."""
    nodes = words.split()
    return " ".join([resource] * len(nodes)) or " ", " ".join(nodes) or " "


_OLD = {"promoted": "master", "unpromoted": "slave"}


def notify_variables(kind="pre", operation="promote", vocabulary="both", **lists):
    """Return the CRM_meta_notify_... variables (dict) of lists given as blank-separated nodes.

    vocabulary: "old" (master, slave), "new" (promoted, unpromoted) or "both", as Pacemaker 2.1
    sends it.
    """
    found = {"CRM_meta_notify_type": kind, "CRM_meta_notify_operation": operation}
    for name in ("active", "promoted", "unpromoted", "start", "stop", "promote", "demote"):
        for known_as in _names(name, vocabulary):
            resources, nodes = members(lists.get(name, ""))
            found[f"CRM_meta_notify_{known_as}_resource"] = resources
            found[f"CRM_meta_notify_{known_as}_uname"] = nodes
    inactive = lists.get("inactive", "")
    found["CRM_meta_notify_inactive_resource"] = inactive or " "
    return found


def _names(name, vocabulary):
    if name not in _OLD or vocabulary == "new":
        return [name]
    return [_OLD[name]] if vocabulary == "old" else [name, _OLD[name]]


def printed(out="", status=0, err="", timed_out=False):
    """Return the runner.Result of a program that ended."""
    return runner.Result(status, out, err, timed_out)


def programs(monkeypatch, answers):
    """Have programs answer, none of which runs; return what they are asked, a list that grows.

    answers: dict of a program's name to its runner.Result, an error to raise, or a function of its
    words (list of str) that returns one of them. What is asked: (words, the Account that asks).
    """
    asked = []

    def run(argv, *_, **options):
        asked.append((argv, options.get("user")))
        answer = answers[argv[0].rpartition("/")[2]]
        answer = answer(argv) if callable(answer) else answer
        if isinstance(answer, Exception):
            raise answer
        return answer
    monkeypatch.setattr(runner, "run", run)
    monkeypatch.setattr(accounts, "account", lambda _: NOBODY)
    return asked


@contextlib.contextmanager
def full():
    """A server that takes no further connection: it has not accepted the ones before."""
    with socket.socket() as server, contextlib.ExitStack() as stack:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        yield server
