"""What is asked of a running cluster. Each question is asked again until it is answered.

A node that boots, an election of a DC, a busy machine: any program may briefly give no answer.
So no single look decides anything. A question has ANSWER_SECONDS; if there is no answer
until then, the LabError says what was seen last. Only `look` and `primary_now` look once: for what
waits anyway, and asks again itself.
"""

from .cib import CLONE, RESOURCE, VIP_RESOURCE
from .tools import LabError, wait_until

#: Seconds in which a cluster has to answer, on a machine with other work too.
ANSWER_SECONDS = 45
#: What Pacemaker's tools exit with if there is no such attribute: up to 2.0, and since.
ABSENT = (6, 105)


class Questions:
    """The questions; a part of Lab, which has the nodes and the settings."""

    name: str
    nodes: dict

    def look(self):
        """Return the ClusterStatus that the DC sees now, or a node with quorum, or any, or None.

        The CIB of a node that has just joined may lack what runs on the others for 15 s, until the
        DC compares the copies (Pacemaker 2.1.5).
        """
        answers = []
        for name, node in self.nodes.items():
            answer = node.cluster_status()
            if answer and answer.quorum and answer.dc:
                return answer if answer.dc == name else self._of_dc(answer)
            answers += [answer] if answer else []
        return answers[0] if answers else None

    def _of_dc(self, answer):
        """Return the ClusterStatus of the DC that an answer names; the answer if it gives none."""
        node = self.nodes.get(answer.dc)
        seen = node and node.cluster_status()
        return seen if seen and seen.quorum and seen.dc == answer.dc else answer

    def status(self, seconds=ANSWER_SECONDS):
        """Return the ClusterStatus of a node that has quorum, or of any that answers."""
        return wait_until(self.look, seconds, f"an answer of crm_mon in lab {self.name!r}",
                          step=0.2, seen=self.describe)

    def any_node(self, seconds=ANSWER_SECONDS):
        """Return a node that is in the part of the cluster that has quorum."""
        return wait_until(self._with_quorum, seconds,
                          f"a node of lab {self.name!r} that is in a cluster with quorum",
                          step=0.2, seen=self.describe)

    def _with_quorum(self):
        for node in self.nodes.values():
            answer = node.cluster_status()
            if answer and answer.quorum:
                return node
        return None

    def describe(self):
        """Return what each node is now, in a line, for errors."""
        words = []
        for name, node in self.nodes.items():
            state = node.cluster_status()
            if not node.is_on:
                words.append(f"{name} is off {node.console() and f'({node.console()})'}".strip())
            elif state is None:
                words.append(f"{name}: crm_mon gives no answer")
            else:
                quorum = "" if state.quorum else ", without quorum"
                words.append(f"{name} is {state.nodes.get(name, 'unknown')} for itself, its DC is "
                             f"{state.dc or 'none'}{quorum}")
        return "; ".join(words)

    def ask(self, argv, seconds=ANSWER_SECONDS, absent=()):
        """Run a program in a node that has quorum until it succeeds; return its output.

        absent: exit statuses that mean that there is no such thing; the answer is then None.
        """
        answers = []

        def asked():
            result = self._quorate().run(argv, check=False, timeout=max(10, seconds / 2))
            if result.ok:
                answers.append(result.output)
            elif result.status in absent:
                answers.append(None)
            else:
                raise LabError(str(result))
            return True
        wait_until(asked, seconds, f"an answer to {' '.join(map(str, argv))!r}", step=0.3)
        return answers[0]

    def _quorate(self):
        node = self._with_quorum()
        if node is None:
            raise LabError(self.describe())
        return node

    def crm_mon(self):
        """Return the picture that crm_mon gives to people."""
        return self.ask(["crm_mon", "-1", "-r", "-A", "-f"])

    def primary_now(self):
        """Return the node that is promoted and takes writes, None if none is seen now."""
        state = self.look()
        for name in state.promoted(RESOURCE) if state else []:
            if self.nodes[name].in_recovery() is False:
                return name
        return None

    def primary(self, seconds=ANSWER_SECONDS):
        """Return the name of the node that is promoted and takes writes, once there is one."""
        return wait_until(self.primary_now, seconds, f"a primary in lab {self.name!r}", step=0.2,
                          seen=self.describe)

    def standbys(self, seconds=ANSWER_SECONDS):
        """Return the names of the nodes whose server is in recovery: each server has to answer."""
        return wait_until(lambda: [self._standbys()], seconds, "an answer of every server",
                          step=0.2)[0]

    def _standbys(self):
        answers = {name: node.in_recovery() for name, node in self.nodes.items()}
        silent = [name for name, answer in answers.items()
                  if answer is None and self.nodes[name].pids("postmaster")]
        if silent:
            raise LabError(f"the server of {', '.join(silent)} runs and does not answer")
        return [name for name, answer in answers.items() if answer]

    def streaming(self, primary=None, seconds=ANSWER_SECONDS):
        """Return the names of the standbys that stream from the primary, which has to answer."""
        return wait_until(lambda: [self.streaming_now(primary or self.primary())], seconds,
                          "an answer of the primary", step=0.2)[0]

    def streaming_now(self, primary):
        """Return the standbys that stream from `primary`; LabError if it does not answer now."""
        query = "select application_name from pg_stat_replication where state = 'streaming'"
        return {row[0] for row in self.nodes[primary].sql(
            query, timeout=10, patience=0)} & set(self.nodes)

    def vip_node(self):
        """Return the name of the node where Pacemaker runs the VIP, None if none does."""
        return next(iter(self.status().roles(VIP_RESOURCE)), None)

    def is_idle(self, state):
        """Return whether the DC of a ClusterStatus has nothing to do; LabError if it is silent."""
        result = self.nodes[state.dc].run(["crmadmin", "--status", state.dc], check=False)
        if "S_IDLE" in result.output:
            return True
        if not result.ok:
            raise LabError(str(result))
        return False

    # what is asked for

    def clear(self):
        """Take away the constraints that moves and bans have left."""
        self.ask(["crm_resource", "--clear", "--resource", CLONE], absent=ABSENT)

    def cleanup(self, resource=None, node=None):
        """Forget failures (all, or a resource's, or a node's), so that Pacemaker tries again."""
        self.ask(["crm_resource", "--cleanup", *(["--resource", resource] if resource else []),
                  *(["--node", node] if node else [])])
