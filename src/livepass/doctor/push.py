"""The probe of APNs: one push to a made-up token, sent with the pass's certificate; the complaint tells what was taken.

APNs checks the certificate and the topic before the token (seen, not documented): a complaint about the token means
that the other two were *likely* accepted.
"""

from __future__ import annotations

import secrets
import ssl
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx2
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from livepass.doctor.result import NotTested, Outcome, failed, passed
from livepass.doctor.subject import Credential
from livepass.doctor.wire import USER_AGENT

PRODUCTION: Final = "https://api.push.apple.com"
SECONDS: Final = 20.0
_ABOUT_TOKEN: Final = frozenset({"BadDeviceToken", "DeviceTokenNotForTopic", "Unregistered", "ExpiredToken"})
_ABOUT_CERTIFICATE: Final = frozenset({"BadCertificate", "BadCertificateEnvironment", "Forbidden"})
_ABOUT_TOPIC: Final = frozenset({"TopicDisallowed", "BadTopic", "MissingTopic"})


@dataclass(frozen=True, slots=True)
class _Heard:
    """What came back: a TLS alert in words, or a status and a reason."""

    alert: str = ""
    status: int = 0
    reason: str = ""


@dataclass(slots=True)
class Probe:
    """``topic`` is the pass type. ``ca_pem`` holds roots that are trusted beside the system's."""

    credential: Credential
    topic: str
    url: str = PRODUCTION
    ca_pem: str = ""
    _heard: _Heard | None = field(default=None)

    def heard(self) -> _Heard:
        """Raises ``NotTested`` when APNs cannot be reached."""
        if self._heard is None:
            self._heard = self._send()
        return self._heard

    def _send(self) -> _Heard:
        headers = {"apns-topic": self.topic, "user-agent": USER_AGENT}
        target = f"{self.url}/3/device/{secrets.token_hex(32)}"
        try:
            with httpx2.Client(http2=True, verify=self._context(), trust_env=False, timeout=SECONDS) as http:
                reply = http.post(target, headers=headers, content=b"{}")
                found = reply.json() if reply.content else {}
        except (httpx2.HTTPError, ValueError) as error:
            return _Heard(alert=_alert(error))
        reason = found.get("reason") if isinstance(found, dict) else None
        return _Heard(status=reply.status_code, reason=str(reason or "")[:60])

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self.ca_pem:
            context.load_verify_locations(cadata=self.ca_pem)
        password = secrets.token_hex(16)
        chain = (self.credential.certificate, *self.credential.others)
        key = self.credential.key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password.encode())
        )
        # ssl takes a file only: in a folder of ours alone, the key in it encrypted, gone at once.
        with tempfile.TemporaryDirectory(prefix="livepass-doctor-") as folder:
            path = Path(folder) / "chain.pem"
            path.write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in chain) + key)
            context.load_cert_chain(path, password=password)
        return context


def _alert(error: Exception) -> str:
    """How the TLS side was turned away. Raises ``NotTested`` for anything that says nothing of our certificate."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            raise NotTested(f"the APNs host does not prove who it is: {seen.verify_message}")
        if isinstance(seen, ssl.SSLError) and "ALERT" in (seen.reason or ""):
            return str(seen.reason).replace("_", " ").lower()
        seen = seen.__cause__ or seen.__context__
    raise NotTested(f"APNs could not be asked: {type(error).__name__}")


def taken(probe: Probe) -> Outcome:
    heard = probe.heard()
    return failed("TLS ended with an alert", heard.alert) if heard.alert else passed("TLS with the certificate")


def certificate(probe: Probe) -> Outcome:
    heard = probe.heard()
    if heard.reason in _ABOUT_CERTIFICATE:
        return failed(f"APNs answers {heard.status} {heard.reason}", heard.reason)
    return (
        _likely("certificate", heard) if heard.reason not in _ABOUT_TOPIC else passed("likely: the topic was looked at")
    )


def topic(probe: Probe) -> Outcome:
    heard = probe.heard()
    if heard.reason in _ABOUT_TOPIC:
        return failed(f"APNs answers {heard.status} {heard.reason}", f"topic {probe.topic}")
    return _likely("topic", heard)


def _likely(what: str, heard: _Heard) -> Outcome:
    if heard.status == 200 or heard.reason in _ABOUT_TOKEN:
        said = heard.reason or "200"
        return passed(f"{heard.status} {said}: a word about the token, so the {what} was likely accepted")
    raise NotTested(f"APNs answers {heard.status} {heard.reason}, which says nothing of the {what}")


OF_PUSH: Final[Mapping[str, Callable[[Probe], Outcome]]] = {"APN1": taken, "APN2": certificate, "APN3": topic}
