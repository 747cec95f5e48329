"""All pages. The order is that of the navigation."""

from __future__ import annotations

from livepass.web.console import (
    accounts,
    certificates,
    demo,
    doctor,
    jobs,
    logs,
    overview,
    passes,
    pictures,
    pushes,
    settings,
    templates,
    versions,
    webhooks,
)
from livepass.web.console.page import Page

PAGES = (
    Page("", "Overview", "overview.html", overview.overview, menu="Overview"),
    Page("findings", "Findings", "findings.html", overview.findings),
    Page("passes", "Passes", "passes.html", passes.passes, menu="Passes"),
    Page("search", "Search", "passes.html", passes.search),
    Page("passes/{type}/{serial}", "Pass", "pass.html", passes.pass_, post=passes.change),
    Page("passes/{type}/{serial}/picture.svg", "Picture", "", pictures.of_pass, role="operator"),
    Page("passes/{type}/{serial}/versions", "Versions", "versions.html", versions.versions),
    Page("passes/{type}/{serial}/phones/{phone}", "Phone", "phone.html", passes.phone),
    Page("shared", "Shared passes", "shared.html", overview.shared, menu="Shared"),
    Page("pushes", "Pushes", "pushes.html", pushes.pushes, menu="Pushes", post=pushes.push_now),
    Page("webhooks", "Webhooks", "webhooks.html", webhooks.webhooks, menu="Webhooks", post=webhooks.mend),
    Page("logs", "Device logs", "logs.html", logs.logs, menu="Logs"),
    Page(
        "certificates",
        "Certificates",
        "certificates.html",
        certificates.certificates,
        menu="Certificates",
        post=certificates.take_in,
        post_role="admin",
    ),
    Page(
        "certificates/{id}",
        "Certificate",
        "certificate.html",
        certificates.certificate,
        post=certificates.step,
        post_role="admin",
    ),
    Page(
        "templates",
        "Templates",
        "templates.html",
        templates.templates,
        menu="Templates",
        post=templates.publish,
        post_role="admin",
    ),
    Page(
        "templates/{name}",
        "Template",
        "template.html",
        templates.template,
        post=templates.publish_next,
        post_role="admin",
    ),
    Page("templates/{name}/picture.svg", "Picture", "", pictures.of_template),
    Page("jobs", "Jobs", "jobs.html", jobs.jobs, menu="Jobs"),
    Page("doctor", "Doctor", "doctor.html", doctor.doctor, menu="Doctor", post=doctor.examine),
    Page(
        "settings",
        "Settings",
        "settings.html",
        settings.settings,
        menu="Settings",
        role="admin",
        post=settings.change,
        post_role="admin",
    ),
)
PEOPLE = (
    Page(
        "people",
        "People",
        "people.html",
        accounts.people,
        menu="People",
        role="admin",
        post=accounts.manage,
        post_role="admin",
    ),
    Page("account", "Account", "account.html", accounts.account, post=accounts.change_account, post_role="viewer"),
)
"""Where people sign in."""
HOSTED = (Page("audit", "Audit", "audit.html", accounts.audit, menu="Audit", role="admin"),)
"""Inside an application, which lets people in."""
DEMO = (
    Page("demo", "Demo", "demo.html", demo.demo, menu="Demo", post=demo.act),
    Page("demo/{serial}", "Demo", "demo.html", demo.demo, post=demo.act),
    Page("demo/{serial}/picture.svg", "Picture", "", demo.picture),
)
"""Where a demonstration runs."""
