"""Imports of paf/ by layer: no arrow from a lower to a higher layer, no circle, decide/ pure.

    python3 tests/layers.py                 what breaks the rules; exit status 1 if anything does
    python3 tests/layers.py --list          each layer, its modules, what they import, and a sum

Imports inside functions count as well. docs/architecture.py draws the same layers.
"""

import ast
import pathlib
import sys
import textwrap

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent

#: (layer, what it is, modules), highest first. A name ending in a dot is a package; the longest
#: name that fits a module decides.
LAYERS = (
    ("entries", "where a process starts: the command paf, the agent, the crash watcher",
     ("agent", "cli.", "crash.watch")),
    ("notifications", "one module for each notification: before a promotion, the election",
     ("notifications.",)),
    ("actions", "one module for each OCF action: observe, ask, act", ("actions.",)),
    ("shared", "what several actions share: the candidate's election, last words, the rule of "
     "synchronous standbys", ("promotion", "candidacy", "voted", "holders", "hindrances",
                              "lastwords", "stranger", "synchronous", "acknowledged", "remarks",
                              "proven", "refused", "keeping", "slotkeeping", "stuckwal")),
    ("crash", "start and end of the crash watcher, its report to Pacemaker, reasons not to report",
     ("crash.",)),
    ("context", "what an action gets: environment, parameters, instance, cluster, deadline, log",
     ("context",)),
    ("observe and act", "the instance; the cluster", ("instance.", "cluster.")),
    ("decide", "tables and comparisons: state, election, scores, timelines; no process, file or "
     "clock", ("decide.",)),
    ("base", "OCF environment and errors, parameters, meta-data, programs with a deadline, log",
     ("ocf", "parameters", "lastgood", "systemlog", "metadata", "codes", "runner", "accounts",
      "posix", "background", "deadline", "log", "signals", "variant", "")),
)
#: Packages of one layer that do not know each other.
APART = ("instance", "cluster")
#: What decides may import, besides its own package.
PURE = frozenset(["collections", "binascii", "paf.ocf", "typing"])    # typing: for mypy only
#: Circles that exist and have to go. Nothing may be added.
KNOWN_CIRCLES = ()


def main(arguments):
    """Print the listing or the breaches; return the exit status."""
    edges = imports(REPOSITORY / "paf")
    if arguments == ["--list"]:
        show(edges)
    checks = {"imports of a higher layer": list(upward(edges)), "import circles": list(circles(
        edges)), "imports by which decide/ could observe or act": list(impure(edges))}
    for what, found in checks.items():
        if arguments == ["--list"]:
            print(f"{what}: {len(found) or 'none'}")
        for breach in found:
            print(breach)
    return 1 if any(checks.values()) else 0


def imports(folder):
    """Return {module: modules that it imports} of a package; own modules without "paf."."""
    paths = {name_of(path, folder): path for path in sorted(folder.rglob("*.py"))}
    return {name: {target for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                   for target in targets(node, paths)} - {name}
            for name, path in paths.items()}


def name_of(path, folder):
    """Return a module's name below the package: "decide.state"; "decide" for its __init__."""
    parts = path.relative_to(folder).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def targets(node, modules):
    """Yield the modules that a statement imports: "decide.state", or "os" for one of others."""
    if isinstance(node, ast.Import):
        yield from (own(alias.name) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            whole = own(f"{node.module}.{alias.name}")
            yield whole if whole in modules else own(node.module)


def own(name):
    """Return the name without "paf."; the package itself is ""."""
    return "" if name == "paf" else name[4:] if name.startswith("paf.") else name


def layer(module):
    """Return the index in LAYERS of an own module, None for others. 0 is the highest."""
    fits = [(len(name), index) for index, (_, _, names) in enumerate(LAYERS) for name in names
            if module == name.rstrip(".") or name.endswith(".") and module.startswith(name)]
    return max(fits)[1] if fits else None


def upward(edges):
    """Yield a line for each import of a higher layer, and for each module without a layer."""
    for module, found in edges.items():
        if layer(module) is None:
            yield f"paf/{module}: belongs to no layer of tests/layers.py"
            continue
        for target in sorted(found & set(edges)):
            if {module.split(".")[0], target.split(".")[0]} == set(APART):
                yield f"paf/{module} imports paf/{target}: {' and '.join(APART)} are kept apart"
            if layer(target) is not None and layer(target) < layer(module):
                yield (f"paf/{module} ({LAYERS[layer(module)][0]}) imports paf/{target} "
                       f"({LAYERS[layer(target)][0]}), which is above it")


def circles(edges):
    """Yield a line for each set of modules that import each other, directly or not."""
    reached = {module: reach(module, edges) for module in edges}
    done = set()
    for module in sorted(edges):
        ring = tuple(sorted(other for other in reached[module] if module in reached[other]))
        if len(ring) > 1 and ring not in done and ring not in KNOWN_CIRCLES:
            done.add(ring)
            yield f"import circle: {', '.join(ring)}"


def reach(module, edges):
    """Return all modules that a module imports, directly or through others."""
    found, left = set(), [module]
    while left:
        for target in edges.get(left.pop(), ()):
            if target in edges and target not in found:
                found.add(target)
                left.append(target)
    return found


def impure(edges):
    """Yield a line for each import by which a deciding module could observe or act."""
    for module, found in edges.items():
        if module.startswith("decide."):
            for target in sorted(found):
                if not target.startswith("decide") and f"paf.{target}" not in PURE | {"paf."} \
                        and target not in PURE:
                    yield f"paf/{module} imports {target}: modules that decide are pure"


def show(edges):
    """Print each layer with its modules, the layers that they import, and what else; then a sum."""
    for index, (name, what, _) in enumerate(LAYERS):
        members = sorted(module for module in edges if layer(module) == index)
        targets = {target for module in members for target in edges[module]}
        below = sorted({layer(target) for target in targets & set(edges)
                        if layer(target) not in (None, index)})
        print(f"{name}: {what}")
        for package, modules in folded(members).items():
            print(textwrap.fill(" ".join(modules), 100, initial_indent=f"    {package:<20}",
                                subsequent_indent=" " * 24))
        print("    imports layers      " + (", ".join(LAYERS[one][0] for one in below) or "none"))
        print(textwrap.fill(" ".join(sorted(targets - set(edges))) or "nothing else", 100,
                            initial_indent="    and from outside    ", subsequent_indent=" " * 24))
    print(f"{len(edges)} modules, {sum(len(set(found) & set(edges)) for found in edges.values())} "
          "imports of each other")


def folded(members):
    """Return {package: names of its modules} of modules such as "cli.check.host", in order."""
    found = {}
    for module in members:
        package, _, name = module.rpartition(".")
        found.setdefault(package and f"{package}/" or "paf/", []).append(name or "__init__")
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
