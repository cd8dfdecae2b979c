"""Sphinx's configuration. `make docs` builds the pages, `make test` with every warning as an error."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

project = "letitcrash"
author = "letitcrash maintainers"
project_copyright = author

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "facades",
    "sources",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]

# Markdown
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# Docstrings: a word in backticks is code, sections are Google's.
default_role = "code"
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "groupwise"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_use_type_comments = False
autodoc_inherit_docstrings = False
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
toc_object_entries = False

# Every reference must lead somewhere. The inventories are in the repository: a build needs no network.
nitpicky = True
# A type alias in a dataclass that generates its own signature: there is no page of it to link to.
nitpick_ignore = [("py:class", "hostile.Look"), ("py:class", "faults.Fault")]
intersphinx_mapping: dict[str, tuple[str, str]] = {}

html_theme = "furo"
html_title = "letitcrash"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
