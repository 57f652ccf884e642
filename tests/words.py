"""Plain technical English: find the words that tests/words.txt lists in all prose of the project.

    python3 tests/words.py                  the rate of each area; exit status 1 above its ceiling
    python3 tests/words.py --list [PATH..]  each finding, with the plain words for it
    python3 tests/words.py --sample 30      random comments and docstrings, to read aloud

Prose is comments, docstrings, strings of three words and more, and documents without their blocks
of code. A rate is findings per 1,000 words. Operators read these texts at 3 a.m., and most of them
are not native speakers.
"""

import argparse
import ast
import io
import pathlib
import random
import re
import sys
import tokenize

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
LIST = REPOSITORY / "tests" / "words.txt"

#: Area -> findings per 1,000 words that it may have at most. A change may only lower these.
CEILINGS = dict.fromkeys(("paf", "lab", "trials", "tests", "docs", "rest"), 2.0)
FOLDERS = (".ci", "bin", "debian", "docs", "lab", "paf", "resource.d", "rpm", "tests", "tools",
           "trials")
#: Not prose of ours: the list itself, recorded output of other programs, published release notes.
LEFT_OUT = ("tests/words.txt", "tests/data/", "LICENSE", "debian/changelog",
            "trials/faults/played.json", "trials/machines/played.json")
#: Python without the ending.
SCRIPTS = ("bin/paf", "resource.d/pgsqlms", "lab/fence_paf_lab",
           "lab/machines/fence_paf_qmp")
#: Made by programs from texts that are read elsewhere.
GENERATED = ("docs/pictures/", "docs/decision-tables.md", "docs/parameters.md")


def main(arguments):
    """Report the rates, the findings or a sample; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", nargs="*", metavar="PATH")
    parser.add_argument("--sample", type=int, metavar="COUNT")
    options = parser.parse_args(arguments)
    if options.sample:
        return sample(options.sample)
    words, plain, allowed = word_list(LIST.read_text(encoding="utf-8"))
    texts = [(name, number, text) for name in files() for number, text in prose(name)]
    if options.list is not None:
        for name, number, text in texts:
            if not options.list or name.startswith(tuple(options.list)):
                for word in findings(text, words, allowed):
                    print(f"{name}:{number}: '{word}': {advice(word, plain)}")
        return 0
    return report(texts, words, allowed)


def word_list(text):
    """Return from the list's text: a pattern of all words, {pattern: plain words}, exceptions."""
    plain, allowed = {}, []
    for line in text.splitlines():
        if line.startswith("! "):
            allowed.append(line[2:])
        elif line and not line.startswith("#"):
            pattern, advice = line.split(" = ")
            plain[re.compile(pattern, re.IGNORECASE)] = advice
    every = "|".join(pattern.pattern for pattern in plain)
    return (re.compile(rf"\b(?:{every})(?!\w)", re.IGNORECASE), plain,
            re.compile("|".join(allowed), re.IGNORECASE))


def files():
    """Yield the names of all files with prose, relative to the repository."""
    paths = [path for path in REPOSITORY.iterdir() if path.is_file()]
    for folder in FOLDERS:
        paths += [path for path in (REPOSITORY / folder).rglob("*") if path.is_file()]
    for path in sorted(paths):
        name = path.relative_to(REPOSITORY).as_posix()
        # Python 2 writes its bytecode beside the source: the component tests have it compiled
        if not name.startswith(LEFT_OUT + GENERATED) and not name.endswith(".pyc"):
            yield name


def prose(name):
    """Yield (line number, text) for each comment, docstring, message or paragraph of a file."""
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    if name.endswith(".py") or name in SCRIPTS:
        yield from python_prose(text)
    elif name.endswith(".md"):
        yield from document_prose(text)
    else:
        yield from comment_prose(text)


def python_prose(text):
    """Yield the comments of a Python file, joined where they go on, and its strings of prose."""
    start, lines, last = 0, [], -1
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            if token.start[0] != last + 1 and lines:
                yield start, " ".join(lines)
                lines = []
            start = start if lines else token.start[0]
            lines.append(token.string.lstrip("#: "))
            last = token.start[0]
    if lines:
        yield start, " ".join(lines)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if len(re.findall(r"[A-Za-z']{2,}", node.value)) >= 3:
                yield node.lineno, node.value


def document_prose(text):
    """Yield the paragraphs of a Markdown document, without blocks of code and `code`."""
    start, lines, fenced = 0, [], False
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            continue
        elif line.strip():
            start = start if lines else number
            lines.append(re.sub(r"`[^`]*`", "``", line))
        elif lines:
            yield start, " ".join(lines)
            lines = []


def comment_prose(text):
    """Yield the comments of a file that starts them with #, and what its shell code prints."""
    for number, line in enumerate(text.splitlines(), 1):
        comment = re.search(r"(?:^|\s)#(?!!)(.*)", line)
        if comment:
            yield number, comment.group(1)
        printed = re.search(r"\b(?:echo|say) +\"([^\"]*)", line)
        if printed:
            yield number, printed.group(1)


def findings(text, words, allowed):
    """Return each listed word (str) of a text, as it is written there."""
    return words.findall(allowed.sub("", re.sub(r"\s+", " ", text)))


def advice(word, plain):
    """Return the plain words for a finding."""
    return next((text for pattern, text in plain.items() if pattern.match(word)), "say it plainly")


def area(name):
    """Return the area whose ceiling a file is measured against."""
    if name.endswith(".md"):
        return "docs"
    folder = name.split("/", 1)[0]
    return folder if folder in CEILINGS else "rest"


def report(texts, words, allowed):
    """Print each area's rate and the files with the most findings; return the exit status."""
    count, found, by_file = {}, {}, {}
    for name, _, text in texts:
        number = len(findings(text, words, allowed))
        count[area(name)] = count.get(area(name), 0) + len(re.findall(r"[A-Za-z']+", text))
        found[area(name)] = found.get(area(name), 0) + number
        by_file[name] = by_file.get(name, 0) + number
    status = 0
    for one, ceiling in CEILINGS.items():
        rate = 1000.0 * found.get(one, 0) / max(1, count.get(one, 0))
        if rate > ceiling:
            status = 1
        print(f"words: {one}: {rate:.1f} per 1,000"
              f" ({found.get(one, 0)} in {count.get(one, 0)} words)"
              + (f": ABOVE its ceiling of {ceiling}" if rate > ceiling else ""))
    if status:
        worst = sorted(by_file.items(), key=lambda item: -item[1])[:12]
        print("words: most in", ", ".join(f"{name} ({number})" for name, number in worst))
        print("words: see python3 tests/words.py --list PATH")
    return status


def sample(number):
    """Print random comments and docstrings of paf/; return the exit status."""
    texts = [(name, line, " ".join(text.split())) for name in files() if name.startswith("paf/")
             for line, text in prose(name) if len(text.split()) >= 5]
    for name, line, text in random.Random(number).sample(texts, number):
        print(f"{name}:{line}: {text}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
