"""What one request does: judged, delivered towards the phone, recorded. Knows nothing of frames and sockets."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace

from livepass.emulators.apns.chaos import Chaos, Fault, Plan
from livepass.emulators.apns.history import Entry, History, shown_headers
from livepass.emulators.apns.phones import Phones, Push
from livepass.emulators.apns.provider_token import Provider
from livepass.emulators.apns.standing import Standing
from livepass.emulators.apns.verdicts import Credential, Request, Verdict, judge, refusal, topic_of


@dataclass(frozen=True, slots=True)
class Asked:
    """A complete request with where it came from."""

    request: Request
    credential: Credential | None
    connection: int
    stream: int

    @property
    def topic(self) -> str:
        return topic_of(self.request, self.credential)


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back over the wire: the verdict, and the ``apns-id`` (the sender's own, or a new one in upper case)."""

    verdict: Verdict
    apns_id: str


@dataclass(slots=True)
class Service:
    """The state of one emulated APNs apart from its connections. ``standing`` has the clock."""

    phones: Phones
    chaos: Chaos
    history: History
    standing: Standing
    provider: Provider

    def answer(self, asked: Asked, plan: Plan) -> Answer:
        """Judge, deliver and record one request. A ``status`` fault in ``plan`` takes the place of the judgement."""
        request, topic, now = asked.request, asked.topic, self.standing.now()
        device = self.phones.state(request.token, topic)
        verdict = judge(request, self._as_it_stands(asked.credential), device, now)
        fault = plan.ending
        if fault is not None and fault.kind == "status":
            verdict = refusal(fault.reason, device.dead_at_ms, now, fault.status)
        given = request.headers.get("apns-id")
        usable = given is not None and verdict.reason != "BadMessageId"
        apns_id = given if usable and given is not None else str(uuid.uuid4()).upper()
        push: Push | None = None
        if verdict.accepted:
            expires = request.headers.get("apns-expiration")
            push = self.phones.deliver(
                request.token,
                topic,
                apns_id,
                int(expires) if expires is not None else None,
                now=now,
                drop=plan.drop is not None,
            )
        self._record(asked, now, verdict, apns_id, fault or (plan.drop if push is not None else None), push)
        return Answer(verdict, apns_id)

    def leave_unprocessed(self, asked: Asked, fault: str) -> None:
        """Record a request that gets no verdict: nothing is judged, nothing is delivered."""
        self._record(asked, self.standing.now(), None, None, fault, None)

    def _as_it_stands(self, credential: Credential | None) -> Credential | None:
        if credential is None:
            return None
        return replace(credential, problem=self.standing.problem(credential))

    def _record(
        self,
        asked: Asked,
        now: float,
        verdict: Verdict | None,
        apns_id: str | None,
        fault: Fault | str | None,
        push: Push | None,
    ) -> None:
        request = asked.request
        self.history.add(
            Entry(
                number=self.history.next_number(),
                at_ms=int(now * 1000),
                connection=asked.connection,
                stream=asked.stream,
                method=request.method,
                path=request.path,
                token=request.token,
                topic=asked.topic,
                headers=shown_headers(request.headers),
                payload=request.payload,
                status=verdict.status if verdict is not None else 0,
                reason=verdict.reason if verdict is not None else None,
                timestamp_ms=verdict.timestamp_ms if verdict is not None else None,
                apns_id=apns_id,
                fault=fault.spec if isinstance(fault, Fault) else fault,
                push=push,
            )
        )
