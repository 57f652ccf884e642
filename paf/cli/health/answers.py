"""The answers that one look at this node gives, and what a request gets of them. Pure.

As kept.py and request.py it is all that most requests need, and imports next to nothing: each
request is a process of its own.
"""

from paf.cli.health import request

#: What can be asked.
QUESTIONS = ("/health", "/primary", "/replica", "/sync")
_OF_STANDBYS = ("/replica", "/sync")


class Answers(object):
    """What is known of a node.

    node: its name; lag: bytes (int) that it is behind its primary, None where that is not known;
    said: dict of each question to (whether it is so, one line of reason).
    """

    def __init__(self, node, lag, said):
        self.node, self.lag, self.said = node, lag, said

    def to(self, question, options):
        """Return (whether it is so, one line of reason); options: those of the request, dict."""
        good, why = self.said[question]
        if not good or "lag" not in options or question not in _OF_STANDBYS:
            return good, why
        limit = request.size(options["lag"])
        if limit is None:
            return False, "lag is a number of bytes, such as 1MB"
        if self.lag is None:
            return False, "the lag of {0} is not known".format(self.node)
        if self.lag > limit:
            return False, "{0} lags by {1} bytes".format(self.node, self.lag)
        return good, why
