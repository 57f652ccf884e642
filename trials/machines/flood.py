"""A flood of the port for load balancers: python3 -m trials.machines.flood hold|flood HOST SECONDS.

Runs in the lab's hub, from the addresses in SOURCES. `hold` opens more connections than are allowed
from an address and sends nothing; `flood` sends, for some seconds, all that a port on a network can
get: requests that end never, are huge, or are no text, and as many good ones as it can. Prints one
line of JSON: see `Seen`.
"""

import json
import os
import socket
import sys
import threading
import time
from collections import Counter

PORT = 8009
SOURCES = tuple(f"192.168.1.{number}" for number in range(101, 117))
REQUEST = b"GET /primary HTTP/1.0\r\n\r\n"
#: Connections of `hold` from each of four addresses.
HELD = 10
#: Threads that send good requests; one address for each.
GOOD = 8
#: Seconds: a connection that lives longer is given up, far beyond the limit of the unit.
LONGEST = 30
#: Seconds between two bytes of a slow request, and between two tries where no program listens.
STEP = 0.5


class Seen:
    """What the clients have seen: how many connections of which outcome, and how long they lived.

    Outcomes: the status of an answer, "closed" without one, "silent" where it was given up,
    "refused" where no program listened.
    """

    def __init__(self):
        self.outcomes, self.longest = Counter(), {}
        self._lock = threading.Lock()

    def note(self, kind, outcome, seconds):
        """Count a connection."""
        with self._lock:
            self.outcomes[f"{kind} {outcome}"] += 1
            self.longest[kind] = max(self.longest.get(kind, 0), round(seconds, 2))

    def __str__(self):
        return json.dumps({"outcomes": self.outcomes, "longest": self.longest})


def quiet(_connection, _over):
    """Send nothing."""


def slow(connection, over):
    """Send a request that never ends, a byte at a time."""
    connection.sendall(b"GET /")
    while not over.wait(STEP):
        connection.sendall(b"a")


def huge(connection, over):
    """Send megabytes without an end of line."""
    for _ in range(256):
        if over.is_set():
            return
        connection.sendall(b"x" * 65536)


def binary(connection, _over):
    """Send what is no text."""
    connection.sendall(os.urandom(4096).replace(b"\n", b"\0"))


def good(connection, _over):
    """Send a good request."""
    connection.sendall(REQUEST)


def outcome(connection):
    """Return what a connection comes to, once what is sent was sent."""
    data = b""
    try:
        while True:
            more = connection.recv(65536)
            if not more:
                break
            data += more
    except socket.timeout:
        return "silent"
    except OSError:      # systemd has closed it before it has read what was sent
        pass
    words = data.split(None, 2)
    return words[1].decode("ascii", "replace") if len(words) > 1 else "closed"


def once(host, source, send, seen, over):
    """Open a connection, send, and note what it comes to."""
    begin, kind = time.monotonic(), send.__name__
    try:
        connection = socket.create_connection((host, PORT), LONGEST, (source, 0))
    except OSError:
        seen.note(kind, "refused", 0)
        over.wait(STEP)
        return
    with connection:
        try:
            send(connection, over)
        except OSError:  # it was closed
            pass
        seen.note(kind, outcome(connection), time.monotonic() - begin)


def hold(host, seen):
    """Open HELD connections from each of four addresses at the same time."""
    return [threading.Thread(target=once, args=(host, source, quiet, seen, threading.Event()))
            for source in SOURCES[:4] for _ in range(HELD)]


def flood(host, seconds, seen):
    """Return the threads of a flood that ends after some seconds."""
    over = threading.Event()
    end = threading.Timer(seconds, over.set)

    def again(source, send):
        while not over.is_set():
            once(host, source, send, seen, over)
    bad = (quiet, slow, huge, binary)
    return [end, *(threading.Thread(target=again, args=(source, bad[number % len(bad)]))
                   for number, source in enumerate(SOURCES)),
            *(threading.Thread(target=again, args=(source, good)) for source in SOURCES[:GOOD])]


def main():
    """Do what the words say; print what was seen."""
    how, host, seconds = sys.argv[1:]
    seen = Seen()
    threads = hold(host, seen) if how == "hold" else flood(host, float(seconds), seen)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(seen)


if __name__ == "__main__":
    main()
