"""Of which version PostgreSQL's programs are: that of the data directory, or another one.

An upgrade may have replaced them while the server ran, or bindir may be wrong. What a program makes
of a data directory of another version says nothing about that.
"""

from paf import instance as local
from paf import runner
from paf.ocf import is_number, OcfError


def other_version(instance, name, deadline):
    """Return the major version (str) of a program where it is not that of the data directory.

    "" where it is, and where one of them is not known. name: of the program (str).
    """
    try:
        result = runner.run([local.program(instance, name), "--version"], deadline,
                            user=instance.owner)
        wanted = local.version(instance)
    except OcfError:
        return ""
    found = major(result.out)
    return "" if found is None or _number(found) == wanted else found


def problem(instance, name, deadline):
    """Return why a program cannot be used for the data directory (str), "" if it can."""
    other = other_version(instance, name, deadline)
    return other and "{0} in bindir {1} is of PostgreSQL {2}, the data directory of {3}".format(
        name, instance.parameters.bindir, other, _text(local.version(instance)))


def major(text):
    """Return the major version (str) in what a program says of its version, None without one."""
    words = text.partition(") ")[2].split()[:1]
    parts = [_leading(part) for part in "".join(words).split(".")]
    if not is_number(parts[0]):
        return None
    if int(parts[0]) >= 10:
        return parts[0]
    return ".".join(parts[:2]) if is_number("".join(parts[1:2])) else None


def _leading(text):
    """Return the digits that a text begins with: those of "19beta1" are 19."""
    return text[:len(text) - len(text.lstrip("0123456789"))]


def _number(text):
    """Return a major version (str) as local.version does."""
    first, _, second = text.partition(".")
    return int(first) * 10000 + int(second or 0) * 100


def _text(number):
    """Return what local.version returns as people write it."""
    return str(number // 10000) if number >= 100000 else "{0}.{1}".format(
        number // 10000, number // 100 % 100)
