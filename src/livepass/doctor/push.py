"""The probe of APNs: one push to a made-up token, sent with the pass's certificate; the complaint tells what was taken.

APNs checks the certificate and the topic before the token (seen, not documented): a complaint about the token means
that the other two were *likely* accepted.
"""

from __future__ import annotations

import json
import secrets
import ssl
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

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
_NEVER_SHOWN: Final = "MissingProviderToken"
"""Apple: no provider certificate was used to connect, and there is no provider token."""
_ALERTS: Final = ("certificate", "unknown ca", "access denied", "decrypt error")
"""RFC 5246, 7.2.2: the alerts that are about what the other side showed. Others are about versions and ciphers."""


@dataclass(frozen=True, slots=True)
class _Heard:
    """What came back: a TLS alert in words, or a reason with the status (0: with GOAWAY) that it was said with."""

    alert: str = ""
    status: int = 0
    reason: str = ""

    @property
    def answer(self) -> str:
        return f"APNs answers {self.status or 'GOAWAY'} {self.reason}".rstrip()


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
        except httpx2.HTTPError as error:
            return self._refused(error)
        if reply.http_version != "HTTP/2":
            raise NotTested(f"{self._host} speaks no HTTP/2, so it is no APNs")
        reason = _reason(reply.content) if reply.content else ""
        if reason is None:
            raise NotTested(f"{self._host} answers {reply.status_code} with something else than APNs' JSON")
        return _Heard(status=reply.status_code, reason=reason)

    @property
    def _host(self) -> str:
        return urlsplit(self.url).netloc

    def _refused(self, error: Exception) -> _Heard:
        """What is said where there is no answer. Raises ``NotTested`` when it says nothing of our certificate."""
        for seen in _causes(error):
            if isinstance(seen, ssl.SSLCertVerificationError):
                raise NotTested(f"{self._host} does not prove who it is: {seen.verify_message}")
            alert = str(seen.reason or "").replace("_", " ").lower() if isinstance(seen, ssl.SSLError) else ""
            if any(about in alert for about in _ALERTS):
                return _Heard(alert=alert)
            goaway: Any = next((told for each in seen.args if (told := getattr(each, "additional_data", None))), None)
            if goaway and (reason := _reason(goaway)):
                return _Heard(reason=reason)
        raise NotTested(f"{self._host} could not be asked: {str(error)[:100] or type(error).__name__}")

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        # Here a certificate is refused in the handshake. In TLS 1.3 that is said behind it, and may be lost in a reset.
        context.maximum_version = ssl.TLSVersion.TLSv1_2
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


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _reason(body: bytes) -> str | None:
    """The reason in an answer of APNs, ``""`` where it gives none; ``None``: that is no answer of APNs."""
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return str(found.get("reason") or "")[:60] if isinstance(found, dict) else None


def taken(probe: Probe) -> Outcome:
    heard = probe.heard()
    if heard.alert:
        return failed(f"TLS ended with an alert: {heard.alert}", heard.alert)
    if heard.reason == _NEVER_SHOWN:
        return failed(f"{heard.answer}: it saw no certificate, so TLS ends somewhere before it", heard.reason)
    return passed("TLS with the certificate")


def certificate(probe: Probe) -> Outcome:
    heard = probe.heard()
    if heard.reason in _ABOUT_CERTIFICATE:
        return failed(heard.answer, heard.reason)
    return (
        _likely("certificate", heard) if heard.reason not in _ABOUT_TOPIC else passed("likely: the topic was looked at")
    )


def topic(probe: Probe) -> Outcome:
    heard = probe.heard()
    if heard.reason in _ABOUT_TOPIC:
        return failed(heard.answer, f"topic {probe.topic}")
    return _likely("topic", heard)


def _likely(what: str, heard: _Heard) -> Outcome:
    if heard.status == 200 or heard.reason in _ABOUT_TOKEN:
        said = heard.reason or "200"
        return passed(f"{heard.status} {said}: a word about the token, so the {what} was likely accepted")
    raise NotTested(f"{heard.answer}, which says nothing of the {what}")


OF_PUSH: Final[Mapping[str, Callable[[Probe], Outcome]]] = {"APN1": taken, "APN2": certificate, "APN3": topic}
