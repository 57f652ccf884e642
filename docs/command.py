#!/usr/bin/env python3
"""Write the manual page paf(8) or the completion for bash, made from the command's own parser.

    python3 -B docs/command.py FOLDER man > paf.8
    python3 -B docs/command.py FOLDER bash > paf

FOLDER holds the paf/ to describe. Keeps to the standard library, Python 2.6 and 3; where that has
no argparse, the page only points to --help.
"""

import sys

sys.path.insert(0, __file__.rpartition("/")[0] or ".")

from manpage import roff    # noqa: E402

WITHOUT_ARGPARSE = """.TH PAF 8 "" "PAF" "PAF"
.SH NAME
paf \\- look into and operate a PAF cluster
.SH DESCRIPTION
See
.BR "paf \\-\\-help" ,
which needs Python 2.7 or later.
"""

BASH = """# bash completion for paf, generated from its parser
_paf()
{{
    local word=${{COMP_WORDS[COMP_CWORD]}} verb=${{COMP_WORDS[1]}} options
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "{verbs} --help --version" -- "$word"))
        return
    fi
    case ${{COMP_WORDS[COMP_CWORD - 1]}} in
{choices}
    esac
    case $verb in
{options}
    esac
    case $word in
        -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
        *) case $verb in
               {nodes}) COMPREPLY=($(compgen -W "$(crm_node -p 2>/dev/null)" -- "$word")) ;;
               *) COMPREPLY=($(compgen -f -- "$word")) ;;
           esac ;;
    esac
}}
complete -F _paf paf
"""


def verbs_of(parser):
    """Return (name, one-line help, ArgumentParser) of each verb, in order."""
    for action in parser._actions:
        if action.choices and hasattr(action, "add_parser"):
            briefs = dict((choice.dest, choice.help) for choice in action._choices_actions)
            return [(name, briefs[name], verb) for name, verb in action.choices.items()]
    return []


def options_of(verb):
    """Return the Actions of a verb that take part in its help, positional ones first."""
    actions = [action for action in verb._actions if "--help" not in action.option_strings]
    return sorted(actions, key=lambda action: bool(action.option_strings))


def named(action):
    """Return how an argument is written: --resource NAME."""
    value = action.metavar or ("{" + ",".join(action.choices) + "}" if action.choices else
                               action.dest.upper())
    if not action.option_strings:
        return value
    written = ", ".join(action.option_strings)
    return written if action.nargs == 0 else "{0} {1}".format(written, value)


def page(parser, version, main):
    """Return the manual page (str); main: the module paf.cli.main."""
    lines = [".TH PAF 8 \"\" \"PAF {0}\" \"PAF\"".format(version), ".nh", ".ad l",
             ".SH NAME", "paf \\- look into and operate a PAF cluster",
             ".SH SYNOPSIS", ".B paf", roff("VERB [OPTIONS]"), ".SH DESCRIPTION"]
    lines += [roff(line) for line in parser.description.splitlines()]
    for name, brief, verb in verbs_of(parser):
        module = main.module_of(name)
        lines += [".SH " + roff("paf {0}".format(name)).upper(), roff(brief[0].upper() + brief[1:])
                  + ".", ".PP", ".nf"]
        lines += [roff(line) for line in module.TEXT.splitlines()] + [".fi"]
        for action in options_of(verb):
            lines += [".TP", ".B " + roff(named(action)), roff(action.help or "")]
        lines += [".PP", "Examples:", ".PP", ".nf"]
        lines += ["    " + roff(line) for line in module.EXAMPLES] + [".fi", ".PP", "Exit codes:"]
        lines += codes(module.EXIT_CODES)
    lines += [".SH EXIT CODES OF ALL VERBS"] + codes(main.EXIT_CODES)
    lines += [".SH SEE ALSO", ".BR ocf_heartbeat_pgsqlms (7),", ".BR crm_mon (8),",
              ".BR pcs (8),", ".BR crm (8)"]
    return "\n".join(lines) + "\n"


def codes(table):
    """Return lines of roff for a table of exit codes."""
    lines = []
    for code, meaning in table:
        lines += [".TP", ".B {0}".format(code), roff(meaning)]
    return lines


def completion(parser):
    """Return the completion for bash (str)."""
    options, choices, nodes = [], {}, []
    for name, _, verb in verbs_of(parser):
        words = [word for action in verb._actions for word in action.option_strings]
        options.append("        {0}) options=\"{1}\" ;;".format(name, " ".join(words)))
        if any(action.metavar == "NODE" and not action.option_strings
               for action in verb._actions):
            nodes.append(name)
        for action in verb._actions:
            if action.choices and action.option_strings:
                choices[action.option_strings[-1]] = " ".join(action.choices)
    replies = ["        {0}) COMPREPLY=($(compgen -W \"{1}\" -- \"$word\")); return ;;".format(
        *item) for item in sorted(choices.items())]
    return BASH.format(verbs=" ".join(name for name, _, _ in verbs_of(parser)),
                       nodes="|".join(nodes), options="\n".join(options),
                       choices="\n".join(replies))


def main(argv):
    """Print what argv asks for; return the exit status."""
    if len(argv) != 3 or argv[2] not in ("man", "bash"):
        sys.stderr.write("usage: command.py FOLDER man|bash\n")
        return 2
    sys.path.insert(0, argv[1])
    from paf import VERSION
    from paf.cli import main as command
    try:
        parser = command.parser()
    except ImportError:
        sys.stdout.write(WITHOUT_ARGPARSE if argv[2] == "man" else "")
        return 0
    sys.stdout.write(page(parser, VERSION, command) if argv[2] == "man" else completion(parser))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
