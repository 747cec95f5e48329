"""The documentation as a site: the pages of ``docs/``, which also ship with the package, in Sphinx. ``./scripts/docs``.

Pages stay plain Markdown, so that livepass itself can show them and a move to another generator is cheap.
"""

import re
from pathlib import Path

_VERSION = Path(__file__).parents[3] / "src/livepass/_version.py"

project = "livepass"
copyright = "the livepass authors. Not affiliated with Apple"
release = version = re.search(r'"([^"]+)"', _VERSION.read_text())[1]
extensions = ["myst_parser"]
myst_heading_anchors = 4
myst_enable_extensions = ["attrs_inline"]
# A link that leads nowhere fails the build: ./scripts/docs treats warnings as errors.
nitpicky = True
# The one diagram is for whoever draws mermaid; here its text is shown.
suppress_warnings = ["misc.highlighting_failure"]
html_theme = "furo"
html_title = "livepass"
html_show_sphinx = False
html_show_sourcelink = False
# Nothing from elsewhere is loaded by who reads.
html_theme_options = {"top_of_page_buttons": []}
linkcheck_timeout = 20
linkcheck_ignore = [r"https?://(localhost|127\.0\.0\.1|passes\.example\.com).*"]
