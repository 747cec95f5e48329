"""No false alarm: our own service passes every check that can be made of it, and costs no more than was said."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

from doctor.stage import OF_PUSH, Stage, hits, of, untested
from journeys.world import PASS_TYPE, World, journey, pass_certificate
from livepass.doctor import Credential, Examination, Options, Status
from livepass.doctor.examination import GUESTS, LOGS, READS


@journey
async def test_a_healthy_service_passes_every_check(w: World) -> None:
    await w.issue("1001", 120)
    phone = await w.holding("1002", 7)
    data = await w.pkpass("1001")
    credential = Credential.from_p12(pass_certificate(w.authority, PASS_TYPE).p12("x"), "x")
    options = Options(
        register=True, log=True, apns_probe=True, credential=credential, apns_url=w.apns.url,
        roots_pem=w.authority.root_pem.decode(),
    )  # fmt: skip
    report = await asyncio.to_thread(Examination(data, options, datetime.now(UTC)).run)
    said = {each.check.id: (each.status.value, each.outcome.evidence) for each in report.results}
    assert {id_: found for id_, found in said.items() if found[0] != "passed"} == {}
    assert report.cleaned and "unregistered (200)" in report.cleanup
    assert [each.state for each in report.phones] == ["nothing seen that stops them"] * 3
    assert await w.registrations("1001") == 0
    assert await w.registrations("1002") == 1
    assert phone.wallet.complaints == []


def test_reading_changes_nothing(stage: Stage) -> None:
    before = stage.do(stage.world.timeline("1001"))
    report = stage.judge(options=stage.options())
    assert hits(report) == {}
    assert untested(report) == {"CRT2", "CRT3", "WS7", "WS8", "WS9", "WS10", "WS11", *OF_PUSH}
    assert "needs --register" in of(report, "WS8")
    assert report.cleanup == ""
    kinds = {event.kind.value for event in stage.do(stage.world.timeline("1001"))[len(before) :]}
    assert not kinds & {"registered", "unregistered", "testimony"}, kinds
    assert b"POST" not in stage.front.requests and b"DELETE" not in stage.front.requests


def test_it_says_who_it_is_and_sends_no_more_than_announced(stage: Stage) -> None:
    examination = Examination(stage.data, stage.full(), datetime.now(UTC))
    said = examination.plan()
    host = f"localhost:{stage.front.port}"
    assert said == [
        f"sends {READS + LOGS + GUESTS} requests at most to {host}, incl. one fake device (removed at the end), "
        "incl. one line for its log"
    ]
    examination.run()
    requests = stage.front.requests.count(b" HTTP/1.1\r\n")
    assert 20 < requests <= READS + LOGS + GUESTS
    assert stage.front.requests.count(b"User-Agent: livepass-doctor/") == requests


def test_offline_sends_nothing(stage: Stage) -> None:
    examination = Examination(stage.data, replace(stage.full(), offline=True), datetime.now(UTC))
    assert examination.plan() == []
    report = examination.run()
    assert hits(report) == {} and stage.front.requests == b""
    assert {each.status for each in report.results if each.check.id.startswith(("NET", "WS"))} == {Status.NOT_TESTED}
