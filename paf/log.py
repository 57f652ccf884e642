"""The agent's words: log lines for administrators, one exit reason for crm_mon.

Lines go where Pacemaker's other agents write theirs: syslog and HA_LOGFILE; to the terminal
in a run by hand. *** replaces passwords and other secrets of connection strings.
"""

import os
import sys

DEBUG, INFO, WARNING, ERROR = "DEBUG", "INFO", "WARNING", "ERROR"

#: What a text with a secret has in it, in lower case.
_SUSPICIOUS = ("password", "client_key", "server_key", "client_secret", "://", "missing \"=\"")

#: Patterns of secrets, and what is written instead: values of libpq's keywords (see
#: paf/instance/conninfo.py), bare, in quotes, and in quotes within quotes; the password of an URI;
#: and the word that libpq quotes where a value with blanks has no quotes.
_SECRET = (
    (r"(?i)((?:(?:ssl)?password|scram_(?:client|server)_key|oauth_client_secret)\s*=\s*)"
     r"(?:''(?:[^']*''|[^'\s]*)|'(?:[^'\\]|\\.)*'?|(?:[^\s\\]|\\.?)+)", r"\1***"),
    (r"(://[^:/@\s]*:)[^@\s]*@", r"\1***@"),
    (r"(missing \"=\" after \").*(\" in connection info string)", r"\1***\2"),
)


def without_secrets(text):
    """Return `text` (str) on one line, without the secrets of connection strings."""
    text = " ".join(text.split())
    lower = text.lower()
    if not any(word in lower for word in _SUSPICIOUS):
        return text    # spares the import of what finds them
    import re
    for pattern, instead in _SECRET:
        text = re.sub(pattern, instead, text)
    return text


class Log(object):
    """Writes log lines and exit reasons as the environment asks."""

    def __init__(self, environment, agent="pgsqlms"):
        self._variables = environment.variables
        self._tag = "{0}({1})[{2}]".format(agent, environment.resource, os.getpid())
        self._is_heard = True    # by syslog, as far as it is known

    @property
    def debugging(self):
        """True if debug lines are enabled: HA_debug is a string, "0" means no."""
        return self._variables.get("HA_debug", "0") not in ("", "0")

    def debug(self, text):
        """Write a line that only developers want."""
        if self.debugging:
            self._write(DEBUG, text)

    def info(self, text):
        """Write a line on something that was done."""
        self._write(INFO, text)

    def warning(self, text):
        """Write a line on something the administrator should look at."""
        self._write(WARNING, text)

    def error(self, text):
        """Write a line on a failure."""
        self._write(ERROR, text)

    def exit_reason(self, text):
        """Report to Pacemaker why the action failed; crm_mon shows the last reason.

        Source: resource-agents' ocf_exit_reason, understood by Pacemaker since 1.1.11.
        """
        prefix = self._variables.get("OCF_EXIT_REASON_PREFIX", "ocf-exit-reason:")
        _write_raw(2, prefix + without_secrets(text) + "\n")

    def _write(self, level, text):
        text = without_secrets(text)
        if os.isatty(2):
            _write_raw(2, "{0}: {1}: {2}\n".format(self._tag, level, text))
            return
        self._to_syslog(level, text)
        names = ["HA_LOGFILE"] if level != DEBUG else []
        for path in set(self._variables.get(name, "") for name in names + ["HA_DEBUGLOG"]):
            self._to_file(path, level, text)

    def _to_syslog(self, level, text):
        facility = self._variables.get("HA_LOGFACILITY", "")
        if facility in ("", "none"):
            return
        from paf import systemlog
        self._is_heard = systemlog.send(facility, level, _encoded(
            "{0}: {1}: {2}".format(self._tag, level, text)), self._is_heard)

    def _to_file(self, path, level, text):
        if path in ("", "/dev/null"):
            return
        import time
        stamp = time.strftime("%b %d %H:%M:%S")
        line = "{0}  {1}: {2}: {3}\n".format(stamp, self._tag, level, text)
        try:
            # a pipe that nothing reads must not hold the action up
            log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY)
        except (IOError, OSError):
            return    # no log file is no reason to fail an action
        try:
            _write_raw(log, line)
        finally:
            os.close(log)


def _encoded(text):
    """Return `text` (str) as bytes of UTF-8, whatever is in it."""
    return text if isinstance(text, bytes) else text.encode("utf-8", "backslashreplace")


def _write_raw(descriptor, text):
    """Write all of `text` whatever the locale says; a reader that went away is no error."""
    data = _encoded(text)
    while data:
        try:
            data = data[os.write(descriptor, data):]
        except (IOError, OSError):
            return


def write_out(text):
    """Write `text` to standard output, as UTF-8 whatever the locale says."""
    try:
        sys.stdout.flush()
    except (AttributeError, IOError, OSError, ValueError):
        pass    # closed, or not there: who called does not want it
    _write_raw(1, text)
