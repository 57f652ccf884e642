"""The site builds without a warning, its links lead somewhere, its pages are what the code says."""

import html.parser
import re
import shlex
import subprocess
import sys
import urllib.parse

import pytest

from paf.cli.main import parser
from tests import quickstart
from tests.conftest import REPOSITORY

DOCS = REPOSITORY / "docs"
LINK = re.compile(r"\]\(([^)\s]+)\)")


class Page(html.parser.HTMLParser):
    """The anchors of a page, and where its links lead."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links = set(), []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.anchors |= {values[name] for name in ("id", "name") if values.get(name)}
        self.links += [values[name] for name in ("href", "src") if values.get(name)]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, built as `make docs` does."""
    folder = tmp_path_factory.mktemp("site")
    result = subprocess.run(
        ["make", "-s", "docs", f"SITE={folder}", "TOOLS=:"], cwd=REPOSITORY, timeout=300,
        capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


def test_the_promises_are_the_same_on_both_first_pages():
    """And so are their limits; only where links lead differs."""
    def promises(path):
        text = path.read_text(encoding="utf-8")
        part = re.search(r"^1\. Never two.*?has the details\.$", text, re.MULTILINE | re.DOTALL)
        assert part, f"{path} has no promises"
        return " ".join(part.group(0).replace("](docs/", "](").split())

    assert promises(REPOSITORY / "README.md") == promises(DOCS / "index.md")


def test_each_page_has_the_style_with_tables_that_fit_and_a_dark_mode(site):
    style = (site / "_static" / "paf.css").read_text(encoding="utf-8")
    table = re.search(r"^table\.docutils \{([^}]*)\}", style, re.MULTILINE)
    assert table and "overflow-x: auto" in table.group(1) and "max-width: 100%" in table.group(1)
    assert "@media (prefers-color-scheme: dark)" in style
    assert "thead:not(:has(p)) { display: none; }" in style    # Markdown has no table without one
    for path in site.glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert "_static/paf.css" in text and 'name="viewport"' in text, path


def test_every_page_is_built(site):
    built = {path.stem for path in site.glob("*.html")}
    assert {path.stem for path in DOCS.glob("*.md")} <= built


def test_links_and_anchors_lead_somewhere(site):
    pages = {path.name: Page(path) for path in site.glob("*.html")}
    lost = []
    for name, page in pages.items():
        for link in page.links:
            url = urllib.parse.urlparse(link)
            if url.scheme or url.netloc:
                continue
            target = urllib.parse.unquote(url.path) or name
            if not (site / target).exists():
                lost.append(f"{name}: {link}")
            elif url.fragment and target in pages and url.fragment not in pages[target].anchors:
                lost.append(f"{name}: {link}: no such anchor")
    assert lost == []


@pytest.mark.parametrize("path", [*sorted(DOCS.glob("*.md")), *sorted(REPOSITORY.glob("*.md"))],
                         ids=lambda path: path.name)
def test_links_lead_somewhere_where_the_repository_is_browsed(path):
    text = path.read_text(encoding="utf-8")
    links = [link.partition("#")[0] for link in LINK.findall(text) if "://" not in link]
    assert [link for link in links if link and not (path.parent / link).exists()] == []


@pytest.mark.parametrize("program, folder, names", [
    ("generate.py", ".", ("parameters.md", "decision-tables.md", "paf-verbs.md")),
    ("transitions.py", "pictures", ("failover.svg", "switchover.svg", "recovery-of-a-standby.svg",
                                    "recovery-of-the-primary.svg")),
    ("architecture.py", "pictures", ("architecture.svg",)),
    ("promotion.py", "pictures", ("promotion.svg",))])
def test_what_is_made_from_the_code_is_as_the_code_has_it(program, folder, names, tmp_path):
    subprocess.run([sys.executable, "-B", DOCS / program, tmp_path], check=True, timeout=60)
    for name in names:
        made = (tmp_path / name).read_text(encoding="utf-8")
        assert made == (DOCS / folder / name).read_text(encoding="utf-8"), (
            f"run: make docs-generated ({name})")


def test_the_quick_starts_blocks_say_where_they_are_run():
    blocks = quickstart.blocks((DOCS / "quickstart-debian.md").read_text(encoding="utf-8"))
    assert len([block for block in blocks if not block.skipped]) > 15
    assert all(block.commands for block in blocks)


@pytest.mark.parametrize("body, wanted", [
    ("a\nb\n", ["a", "b"]), ("a \\\n b\nc\n", ["a \\\n b", "c"]),
    ("cat > x <<END\n1\n2\nEND\nd\n", ["cat > x <<END\n1\n2\nEND\n", "d"])])
def test_a_block_is_taken_apart_into_commands(body, wanted):
    assert list(quickstart.commands(body)) == wanted


def test_a_block_that_says_not_where_it_is_run_is_refused():
    with pytest.raises(ValueError, match="where it is run"):
        quickstart.blocks("text\n\n```bash\nreboot\n```\n")


def commands_of_paf():
    """Return (page, command) of each command `paf` that the pages show to be run."""
    found = []
    for path in sorted(DOCS.glob("*.md")):
        for line in re.findall(r"^(?: {4})?(paf [a-z].*)$", path.read_text(encoding="utf-8"),
                               re.MULTILINE):
            command = line.partition("  #")[0].strip()
            if not re.search(r"[.:]$", command):
                found.append((path.name, command))
    return found


@pytest.mark.parametrize("page, command", commands_of_paf())
def test_a_command_in_the_pages_is_one_that_paf_understands(page, command):
    options = parser().parse_args(shlex.split(command)[1:])
    assert options.verb == command.split()[1]
