"""The command line: paf VERB. The only place of the command that chooses an exit status."""

import os
import sys
import time

from paf import VERSION
from paf.cli.common import ERROR, INTERRUPTED, USAGE, Misuse, Problem, complain, write
from paf.ocf import OcfError

#: The verbs, in the order of the help, each with its module in paf.cli.
VERBS = (("status", "status.status"), ("check", "check"), ("forecast", "status.forecast"),
         ("switchover", "switchover"), ("promote", "operate.promote_verb"),
         ("restart", "operate.restart"), ("reload", "operate.reload_verb"),
         ("pause", "operate.pause"), ("resume", "operate.resume"),
         ("timeline", "timeline.timeline"), ("history", "timeline.history"), ("create", "create"),
         ("rebuild", "rebuild.rebuild"), ("lost", "lost"), ("health", "health.health"),
         ("metrics", "health.metrics"), ("alert", "alert.alert"))

#: Verbs that other programs start again and again: without an argument they need no parser, whose
#: import takes longer than what they do.
_LIGHT = ("health", "alert")

TEXT = """For those who run PostgreSQL with the resource agent ocf:heartbeat:pgsqlms.
Each verb has a --help of its own, with examples and exit codes."""

EXIT_CODES = ((USAGE, "the command line cannot be understood"),
              (INTERRUPTED, "interrupted (Ctrl-C, SIGTERM, or the terminal was closed)"))


def module_of(verb):
    """Return the module of a verb."""
    name = "paf.cli." + dict(VERBS)[verb]
    __import__(name)
    return sys.modules[name]


def parser():
    """Return the command's ArgumentParser: help, completion and manual page come from it."""
    import argparse  # novm

    class Parser(argparse.ArgumentParser):
        """Ends with our own exit status on a command line that makes no sense."""

        def _print_message(self, message, file=None):
            if message:
                write(sys.stderr if file is None else file, message)

        def error(self, message):
            self.print_usage(sys.stderr)
            self.exit(USAGE, "{0}: {1}\n".format(self.prog, message))

    layout = argparse.RawDescriptionHelpFormatter
    top = Parser(prog="paf", description=TEXT, formatter_class=layout)
    top.add_argument("--version", action="version", version="paf {0}".format(VERSION))
    verbs = top.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    for verb, _ in VERBS:
        module = module_of(verb)
        one = verbs.add_parser(verb, help=module.HELP, description=module.TEXT,
                               epilog=epilog(module), formatter_class=layout)
        module.arguments(one)
        one.set_defaults(run=module.run)
    return top


def _checked_parser():
    try:
        __import__("argparse")
    except ImportError:
        raise Problem("paf needs Python 2.7 or later, or the package python-argparse")
    return parser()


def epilog(module):
    """Return the end of a verb's help: its examples and exit codes."""
    lines = ["examples:"] + ["  " + line for line in module.EXAMPLES] + ["", "exit codes:"]
    for code, meaning in module.EXIT_CODES + EXIT_CODES:
        lines.append("  {0:<4} {1}".format(code, meaning))
    return "\n".join(lines)


def main(argv=None):
    """Run the verb that argv (list of str) names; return the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    _take_the_time_zone_of_the_node()
    if argv[:1] in [[verb] for verb in _LIGHT]:
        return guarded(lambda: _run(argv))
    from paf.cli import interruptions
    with interruptions.Raised():
        return guarded(lambda: _run(argv))


def _take_the_time_zone_of_the_node():
    """Forget the time zone of the administrator's shell: the cluster's logs have the machine's.

    Their lines name no zone. What is printed names the one that it is in.
    """
    if os.environ.pop("TZ", None) is not None:
        time.tzset()


def _run(argv):
    if len(argv) == 1 and argv[0] in _LIGHT:
        return module_of(argv[0]).run(None)
    top = _checked_parser()
    if not all(word.strip() for word in argv):
        # paf switchover "$TARGET" would choose a node by itself
        top.error("an argument is empty: is a variable of your shell not set?")
    options = top.parse_args(argv)
    if not options.verb:
        top.print_help(sys.stderr)
        return USAGE
    return options.run(options)


def with_remedy(text):
    """Return an error (str) with what to do where it is for want of root's rights."""
    if os.geteuid() == 0 or "ermission denied" not in text or " root" in text:
        return text
    return text + " (run it as root)"


def guarded(function):
    """Return what a function of a verb returns; for what goes wrong, the exit status."""
    try:
        return function()
    except Misuse as error:
        complain(str(error))
        return USAGE
    except (Problem, OcfError) as error:
        complain(with_remedy(str(error)))
        return ERROR
    except EnvironmentError as error:
        complain(with_remedy("{0}{1}".format(
            "{0}: ".format(error.filename) if error.filename else "", error.strerror or error)))
        return ERROR
    except KeyboardInterrupt:
        return INTERRUPTED
