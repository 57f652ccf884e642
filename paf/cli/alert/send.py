"""Where a message goes: syslog, mail through sendmail, or a webhook through curl.

No recipient, no message and no address of a webhook is an argument of a program: others could read
it, and an address may be a secret. Source: sendmail(8), curl(1), "--config".
"""

import json
import os
import re
import syslog

from paf import runner
from paf.cli.common import Problem
from paf.deadline import Deadline
from paf.ocf import OcfError

SYSLOG, MAIL, WEBHOOK = "syslog", "mail", "webhook"
_SENDMAIL = ("/usr/sbin/sendmail", "/usr/lib/sendmail")
_CURL = ("/usr/bin/curl",)
_PATIENCE = 8.0     # seconds
_ADDRESS = re.compile(r"[A-Za-z0-9._%+=-]+@[A-Za-z0-9.-]+$")
_URL = re.compile(r"https?://[!-~]+$")


def kind_of(recipient):
    """Return how to reach a recipient (str): SYSLOG, MAIL or WEBHOOK. Raises Problem; pure."""
    if recipient in ("", "syslog"):
        return SYSLOG
    if _URL.match(recipient):
        return WEBHOOK
    if _ADDRESS.match(recipient):
        return MAIL
    raise Problem("a recipient is \"syslog\", a mail address, or an http:// or https:// address")


def send(recipient, message):
    """Send a message.Message. Raises Problem, without the recipient in it."""
    kind = kind_of(recipient)
    if kind == SYSLOG:
        say("; ".join([message.subject] + message.lines[1:]))
    elif kind == MAIL:
        _run(_SENDMAIL, ["-t", "-i"], mail(recipient, message))
    else:
        _run(_CURL, ["--config", "-"], webhook(recipient, message))


def say(text):
    """Write a line to syslog, which takes no NUL."""
    text = "".join(" " if sign < " " or sign == "\x7f" else sign for sign in text)
    syslog.openlog("paf-alert", syslog.LOG_PID, syslog.LOG_DAEMON)
    syslog.syslog(syslog.LOG_NOTICE, " ".join(text.split()))


def mail(recipient, message):
    """Return a mail (str) with its headers; pure."""
    head = ["To: {0}".format(recipient), "Subject: {0}".format(_ascii(message.subject)),
            "Auto-Submitted: auto-generated", "Content-Type: text/plain; charset=utf-8", ""]
    return "\n".join(head + message.lines) + "\n"


def webhook(recipient, message):
    """Return curl's configuration (str) that posts the message as JSON; pure.

    "text" has what Slack and Mattermost show.
    """
    body = json.dumps(dict(message.fields, text="\n".join([message.subject] + message.lines)))
    options = (("url", recipient), ("header", "Content-Type: application/json"), ("data", body),
               ("max-time", "5"), ("proto", "=http,https"), ("output", "/dev/null"))
    return "fail\nsilent\n" + "".join(
        "{0} = \"{1}\"\n".format(name, _quoted(value)) for name, value in options)


def _quoted(text):
    for sign, instead in (("\\", "\\\\"), ("\"", "\\\""), ("\n", "\\n"), ("\t", "\\t")):
        text = text.replace(sign, instead)
    return text


def _ascii(text):
    return "".join(sign if " " <= sign <= "~" else "?" for sign in text)


def _run(programs, arguments, stdin):
    found = [name for name in programs if os.access(name, os.X_OK)]
    name = os.path.basename(programs[0])
    if not found:
        raise Problem("{0} is not installed".format(name))
    try:
        result = runner.run([found[0]] + arguments, Deadline(_PATIENCE), stdin=stdin)
    except OcfError as error:
        raise Problem(str(error))
    if result.timed_out or result.status != 0:
        raise Problem("{0} did not send it: {1}".format(
            name, "no end in time" if result.timed_out else "status {0}".format(result.status)))
