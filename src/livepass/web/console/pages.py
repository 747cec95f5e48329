"""All pages. The order is that of the navigation."""

from __future__ import annotations

from livepass.web.console import jobs, logs, overview, passes, pushes
from livepass.web.console.page import Page

PAGES = (
    Page("", "Overview", "overview.html", overview.overview, menu="Overview"),
    Page("findings", "Findings", "findings.html", overview.findings),
    Page("passes", "Passes", "passes.html", passes.passes, menu="Passes"),
    Page("search", "Search", "passes.html", passes.search),
    Page("passes/{type}/{serial}", "Pass", "pass.html", passes.pass_, post=passes.change),
    Page("passes/{type}/{serial}/phones/{phone}", "Phone", "phone.html", passes.phone),
    Page("pushes", "Pushes", "pushes.html", pushes.pushes, menu="Pushes", post=pushes.push_now),
    Page("logs", "Device logs", "logs.html", logs.logs, menu="Logs"),
    Page("jobs", "Jobs", "jobs.html", jobs.jobs, menu="Jobs"),
)
