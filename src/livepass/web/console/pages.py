"""All pages. The order is that of the navigation."""

from __future__ import annotations

from livepass.web.console import demo, overview, passes, pictures
from livepass.web.console.page import Page

PAGES = (
    Page("", "Overview", "overview.html", overview.overview, menu="Overview"),
    Page("findings", "Findings", "findings.html", overview.findings),
    Page("passes", "Passes", "passes.html", passes.passes, menu="Passes"),
    Page("search", "Search", "passes.html", passes.search),
    Page("passes/{type}/{serial}", "Pass", "pass.html", passes.pass_, post=passes.change),
    Page("passes/{type}/{serial}/picture.svg", "Picture", "", pictures.of_pass),
    Page("passes/{type}/{serial}/phones/{phone}", "Phone", "phone.html", passes.phone),
)
DEMO = (
    Page("demo", "Demo", "demo.html", demo.demo, menu="Demo", post=demo.act),
    Page("demo/{serial}", "Demo", "demo.html", demo.demo, post=demo.act),
    Page("demo/{serial}/picture.svg", "Picture", "", demo.picture),
)
"""Where a demonstration runs."""
