"""Lines of JSON over a unix socket: QEMU's protocol (QMP) and its agent in the guest (QGA)."""

import base64
import contextlib
import json
import socket
import time

from lab.tools import Deadline, LabError, Result

STEP = 0.3      # seconds between two questions whether a program in a guest has ended


class Silence(LabError):
    """No answer: no QEMU, a guest that is paused or hangs, or one that has not booted."""


class Line:
    """A connection to one socket; a context manager. Raises Silence."""

    def __init__(self, path, seconds=10):
        self._deadline = Deadline(seconds)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._rest = b""
        try:
            self._socket.settimeout(seconds)
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise Silence(f"{path}: {error}") from error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def send(self, command, arguments=None):
        """Send a command."""
        message = {"execute": command}
        if arguments:
            message["arguments"] = arguments
        try:
            self._socket.sendall(json.dumps(message).encode("ascii") + b"\n")
        except OSError as error:
            raise Silence(f"{command}: {error}") from error

    def read(self):
        """Return the next message, a dictionary. What is no JSON is passed over."""
        while True:
            while b"\n" not in self._rest:
                self._more()
            line, _, self._rest = self._rest.partition(b"\n")
            with contextlib.suppress(ValueError):
                # the agent sends 0xff before what follows a synchronization
                message = json.loads(line.lstrip(b"\xff").decode("utf-8"))
                if isinstance(message, dict):
                    return message

    def ask(self, command, arguments=None):
        """Run a command; return its answer. LabError if it is refused; events are passed over."""
        self.send(command, arguments)
        while True:
            message = self.read()
            if "error" in message:
                raise LabError(f"{command}: {message['error'].get('desc', message['error'])}")
            if "return" in message:
                return message["return"]

    def _more(self):
        try:
            self._socket.settimeout(max(0.01, self._deadline.left()))
            data = self._socket.recv(65536)
        except OSError as error:
            raise Silence(f"no answer in {self._deadline.seconds:g} s: {error}") from error
        if not data:
            raise Silence("the connection was ended")
        self._rest += data


def qmp(path, command, arguments=None, seconds=10):
    """Run one command of QEMU; return its answer."""
    with Line(path, seconds) as line:
        line.read()     # the greeting
        line.ask("qmp_capabilities")
        return line.ask(command, arguments)


@contextlib.contextmanager
def agent(path, seconds):
    """Give a Line to the agent in a guest that answers now. Raises Silence."""
    with Line(path, seconds) as line:
        # what an earlier connection has asked may still be answered
        token = time.monotonic_ns() % 2**31
        line.send("guest-sync", {"id": token})
        while line.read().get("return") != token:
            pass
        yield line


def execute(path, argv, *, text=None, env=(), seconds=60):
    """Run a program in a guest; return its Result. Silence if it has not ended in time.

    text: its standard input. The program is not ended when the time is up.
    """
    arguments = {"path": argv[0], "arg": list(argv[1:]), "capture-output": True,
                 "env": list(env)}
    if text is not None:
        arguments["input-data"] = base64.b64encode(text if isinstance(text, bytes)
                                                   else text.encode("utf-8")).decode("ascii")
    with agent(path, seconds) as line:
        pid = line.ask("guest-exec", arguments)["pid"]
        while True:
            state = line.ask("guest-exec-status", {"pid": pid})
            if state["exited"]:
                return result(argv, state)
            time.sleep(STEP)


def result(argv, state):
    """Return the Result in an answer of guest-exec-status; a signal's is 128 and its number."""
    status = state.get("exitcode", 128 + state.get("signal", 0))
    output, error = (base64.b64decode(state.get(name, "")).decode("utf-8", "replace")
                     for name in ("out-data", "err-data"))
    return Result(tuple(argv), status, output, error)
