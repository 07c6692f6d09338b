"""Builds the documentation site: `make docs`. Its pages are the documents of the repository, where they are."""

project = "mien"
extensions = ["myst_parser", "sphinx_copybutton"]
include_patterns = [
    "docs/*.md",
    "README.md",
    "mien/troubleshooting.md",
    "SECURITY.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "deploy/README.md",
    "trainer/LOG.md",
]
exclude_patterns = [".*", "build", "trainer/runs", "tests"]
root_doc = "docs/index"
myst_heading_anchors = 3
nitpicky = True
html_theme = "furo"
html_title = "mien"
html_show_sourcelink = False
html_copy_source = False
html_show_sphinx = False
