"""What load balancers cost a node, and what they hear during a switchover."""

import json
import pathlib
from concurrent.futures import ThreadPoolExecutor

from lab.tools import wait_until

LAB = {"nodes": 2}
BALANCERS = pathlib.Path(__file__).with_name("balancers.py").read_text(encoding="utf-8")
SECONDS = 10
#: Seconds of processor time that a start of Python takes on the machine of docs/load-balancers.md.
BARE = 0.009


def asked(node, seconds, count, path="/primary"):
    """Return what balancers.py has found out on a node."""
    return json.loads(node.run(["/usr/bin/python3", "-", str(seconds), str(count), path],
                               text=BALANCERS, timeout=300).output)


def test_four_load_balancers_cost_less_than_4_percent_of_a_processor(lab):
    """Where Python takes longer to start, as beside other work, all else takes longer as well.

    A machine that stops for a moment has several requests look at once, or Pacemaker answer too
    late: so several tries.
    """
    seen = []

    def cheap():
        found = asked(lab.nodes[lab.primary()], SECONDS, 4)
        good = sum(status == "200" for _, status, _, _ in found["answers"])
        percent = 100 * found["spent"] / SECONDS
        seen.append(f"{percent:.2f} %, a start of Python {1000 * found['bare']:.1f} ms, {good} yes")
        return good == 4 * SECONDS and percent < 4 * max(1, found["bare"] / BARE)
    wait_until(cheap, 120, "four load balancers to cost little", seen=lambda: "; ".join(seen))
    print(*seen, sep="\n")


def test_in_a_switchover_the_old_primary_says_no_before_the_new_one_says_yes(lab):
    old = lab.primary()
    new, = set(lab.nodes) - {old}
    with ThreadPoolExecutor(2) as pool:
        asking = {name: pool.submit(asked, lab.nodes[name], 20, 4) for name in (old, new)}
        lab.move(new)
        answers = {name: one.result()["answers"] for name, one in asking.items()}
    lab.wait_settled(180, primary=new)

    def yes():
        answers[new] += asked(lab.nodes[new], 1, 1)["answers"]
        return answers[new][-1][1] == "200"
    wait_until(yes, 90, f"{new} to say yes")
    answers[old] += asked(lab.nodes[old], 1, 1)["answers"]
    assert answers[old][-1][1] == "503"
    last_yes = max((begin for _, status, begin, _ in answers[old] if status == "200"), default=0)
    assert last_yes < min(end for _, status, _, end in answers[new] if status == "200")
