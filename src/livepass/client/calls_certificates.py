"""Certificates, their signing requests, and APNs keys."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING

from livepass.client.address import path
from livepass.client.call import Call, List, as_json, given, nothing, reads
from livepass.web import issuer_answers_admin as admin
from livepass.web import issuer_apns_keys as apns
from livepass.web import issuer_signing as signing
from livepass.web import issuer_watch as watching

if TYPE_CHECKING:
    from livepass.service.apns_keys import Environment


def import_p12(p12: bytes, password: str) -> Call[admin.CertificateImported]:
    """Take in a certificate with its key. The first one of a pass type goes live when it proves itself."""
    body = as_json({"p12": base64.b64encode(p12).decode(), "password": password})
    return Call("POST", "/certificates", reads(admin.CertificateImported), body=body)


def certificates(*, pass_type: str | None = None) -> List[admin.CertificateRow]:
    """All certificates."""
    return List("/certificates", reads(admin.CertificatePage), {"pass_type": pass_type})


def certificate(certificate_id: str) -> Call[admin.CertificateRow]:
    """One certificate."""
    return Call("GET", path("certificates", certificate_id), reads(admin.CertificateRow))


def prove_certificate(certificate_id: str, *, push_token: str | None = None) -> Call[admin.CertificateProven]:
    """Sign with it, and connect to APNs with it."""
    body = as_json(given(push_token=push_token))
    return Call("POST", _step(certificate_id, "prove"), reads(admin.CertificateProven), body=body)


def canary_certificate(
    certificate_id: str, *, percent: int = 1, accept_nfc_loss: bool = False
) -> Call[admin.CertificateRow]:
    """Sign a share of the passes with it; 0 ends that."""
    body = as_json({"percent": percent, "accept_nfc_loss": accept_nfc_loss})
    return Call("POST", _step(certificate_id, "canary"), reads(admin.CertificateRow), body=body)


def promote_certificate(certificate_id: str, *, accept_nfc_loss: bool = False) -> Call[admin.CertificateRow]:
    """Sign and push with it from now on."""
    body = as_json({"accept_nfc_loss": accept_nfc_loss})
    return Call("POST", _step(certificate_id, "promote"), reads(admin.CertificateRow), body=body)


def roll_back_certificate(certificate_id: str) -> Call[admin.CertificateRow]:
    """Go back to the one before."""
    return Call("POST", _step(certificate_id, "rollback"), reads(admin.CertificateRow), body=b"{}")


def retire_certificate(certificate_id: str) -> Call[admin.CertificateRow]:
    """Use it no more."""
    return Call("POST", _step(certificate_id, "retire"), reads(admin.CertificateRow), body=b"{}")


def certificate_plan(*, pass_type: str | None = None) -> Call[admin.CertificatePlan]:
    """What stops and what goes on at each date, and what to do before."""
    return Call("GET", "/certificate-plan", reads(admin.CertificatePlan), {"pass_type": pass_type})


def watch_certificates(*, pass_type: str | None = None, days: int | None = None) -> Call[watching.CertificateWatch]:
    """How each certificate stands, worst first. ``days``: what ends within so many counts as soon."""
    query = {"pass_type": pass_type, "days": days}
    return Call("GET", "/certificate-watch", reads(watching.CertificateWatch), query)


def look_at_certificates() -> Call[None]:
    """Look at all of them now, some seconds long; then ask ``watch_certificates``."""
    return Call("POST", "/certificate-watch:look", nothing, body=b"{}")


def create_signing_request(
    *, pass_type: str | None = None, team: str | None = None, email: str | None = None
) -> Call[signing.SigningRequestMade]:
    """Make a key, which stays in the service, and the request with which Apple's portal issues its certificate."""
    body = as_json(given(pass_type=pass_type, team=team, email=email))
    return Call("POST", "/signing-requests", reads(signing.SigningRequestMade), body=body)


def signing_requests() -> List[signing.SigningRequestRow]:
    """Keys that wait for their certificate, oldest first."""
    return List("/signing-requests", reads(signing.SigningRequestPage))


def remove_signing_request(request_id: str) -> Call[None]:
    """Forget a key that waits. A certificate that was issued for it can never be used."""
    return Call("DELETE", path("signing-requests", request_id), nothing)


def import_certificate(certificate: bytes, *, intermediate_pem: str | None = None) -> Call[admin.CertificateImported]:
    """Take in the portal's ``.cer`` file (DER or PEM) for a key that ``create_signing_request`` made."""
    body = given(certificate=base64.b64encode(certificate).decode(), intermediate_pem=intermediate_pem)
    return Call("POST", "/certificates", reads(admin.CertificateImported), body=as_json(body))


def import_apns_key(
    p8: str, key_id: str, team: str, *, topics: Sequence[str] = (), environment: Environment = "production"
) -> Call[apns.ApnsKeyRow]:
    """Take in an APNs key, the text of its ``.p8`` file. Nothing pushes with it before it is chosen."""
    body = {"p8": p8, "id": key_id, "team": team, "topics": list(topics), "environment": environment}
    return Call("POST", "/apns-keys", reads(apns.ApnsKeyRow), body=as_json(body))


def apns_keys() -> List[apns.ApnsKeyRow]:
    """APNs keys, without what is secret of them; retired ones too."""
    return List("/apns-keys", reads(apns.ApnsKeyPage))


def apns_key(key_id: str) -> Call[apns.ApnsKeyRow]:
    """One APNs key."""
    return Call("GET", path("apns-keys", key_id), reads(apns.ApnsKeyRow))


def retire_apns_key(key_id: str) -> Call[apns.ApnsKeyRow]:
    """Take it out of use. Refused while a pass type is pushed with it."""
    return Call("DELETE", path("apns-keys", key_id), reads(apns.ApnsKeyRow))


def choose_push_credential(pass_type: str, apns_key: str | None, *, probe: bool = True) -> Call[apns.PushCredential]:
    """Push for a pass type with this APNs key, or (``None``) with its certificate. ``probe``: ask APNs first."""
    body = as_json({"apns_key": apns_key, "probe": probe})
    return Call("PUT", f"{path('pass-types', pass_type)}/push-credential", reads(apns.PushCredential), body=body)


def _step(certificate_id: str, step: str) -> str:
    return f"{path('certificates', certificate_id)}:{step}"
