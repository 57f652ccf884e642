"""How Sphinx makes a site of these pages: `make docs`."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from paf import VERSION    # noqa: E402

project = "PAF"
author = "the PAF developers"
copyright = author    # noqa: A001 (the name is Sphinx's)
version = release = VERSION

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = "index"
exclude_patterns = ["pictures", "static"]
# the anchors that a forge gives to headings
myst_heading_anchors = 4
nitpicky = True

html_theme = "alabaster"
html_theme_options = {"description": "PostgreSQL Automatic Failover", "page_width": "1100px",
                      "sidebar_width": "250px"}
html_sidebars = {"**": ["about.html", "navigation.html", "searchbox.html"]}
html_static_path = ["static"]
html_css_files = ["paf.css"]
html_show_sphinx = False
html_copy_source = False
