"""Both interfaces do what their documents say, whatever is sent: schemathesis over real sockets, both engines.

``scripts/api-fuzz`` does the same for longer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from livepass.emulators.authority import Authority, Issued
from openapi import documents, fuzzing
from servers.apns_thread import apns_running
from servers.livepass_process import running

EXAMPLES = 15
SEED = 20261128
OF_A_LINEAGE = {f"POST /api/v1/certificates/{{id}}:{step}" for step in ("canary", "rollback", "retire")}
"""Refused here, where one certificate is all there is."""
OF_A_MESSAGE = {"POST /api/v1/webhook-endpoints/{id}:resend"}
"""Only a message that is there is sent again, and chance knows the id of none: tests/service/test_webhooks.py does."""
OF_A_PERSON = {f"{method} /api/v1/holders/{{holder}}" for method in ("GET", "DELETE")}
"""Chance gives no pass a holder before it asks for one: tests/web/test_issuer_holders.py does."""
NOWHERE = {"LIVEPASS_PUBLIC_URL": "https://127.0.0.1:1"}
"""A look at its TLS certificate is refused at once."""


@pytest.mark.parametrize("interface", fuzzing.INTERFACES)
def test_an_interface_does_what_its_document_says(
    interface: str, engine: str, tmp_path: Path, authority: Authority, pass_certificate: Issued
) -> None:
    with (
        apns_running(authority, tmp_path) as settings,
        running(tmp_path, pass_certificate, "--no-worker", settings=settings | NOWHERE) as service,
    ):
        outcome = fuzzing.fuzz(service, interface, tmp_path, examples=EXAMPLES, seed=SEED)
        assert outcome.fine, f"seed {SEED}\n{outcome.said}"
        # Judged by what it carried out, and not only by what it refused.
        assert set(outcome.never_accepted) <= (
            OF_A_LINEAGE | OF_A_PERSON | OF_A_MESSAGE if interface == "issuers" else set()
        )
        log = service.log.read_text()
        assert '"level": "error"' not in log and "Traceback" not in log, log[-4000:]


def test_a_document_that_is_not_true_is_found_out(
    tmp_path: Path, pass_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails when the checks are switched off by some setting, or judge nothing."""
    lying = documents.phones()
    paths: Any = lying["paths"]
    del paths["/v1/log"]["post"]["responses"]["200"]
    paths["/v1/log"]["post"]["responses"]["202"] = {"description": "Taken"}
    asked = paths["/v1/devices/{device}/registrations/{type}"]["get"]["responses"]["200"]
    asked["content"]["application/json"]["schema"]["properties"]["lastUpdated"] = {"type": "integer"}
    paths["/v1/passes/{type}/{serial}"]["get"]["responses"]["200"]["headers"] = {
        "Last-Modified": {"required": True, "schema": {"const": "today"}}
    }
    monkeypatch.setattr(documents, "phones", lambda: lying)
    with running(tmp_path, pass_certificate, "--no-worker") as service:
        outcome = fuzzing.fuzz(service, "phones", tmp_path, examples=EXAMPLES, seed=SEED)
    for said in ("Undocumented status code", "Response header does not conform", "Response violates schema"):
        assert said in outcome.said, outcome.said
