"""The control port: what is registered, what was asked, what shall go wrong. Curl is enough; ``ROUTES`` is the manual.

Every answer is JSON. A call that cannot be answered gets 400, 404 or 405 with ``{"error": "one sentence"}``.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from livepass.emulators.apns.chaos import Fault, fault_from_json
from livepass.emulators.apns.control_http import MAX_HEAD_BYTES, Call, Refused, converse
from livepass.emulators.apns.listening import closed, place, port_of
from livepass.emulators.apns.phones import UnknownToken
from livepass.emulators.apns.provider_token import ProviderKey
from livepass.emulators.apns.standing import LAPSED
from livepass.emulators.apns.verdicts import REASONS

if TYPE_CHECKING:
    from livepass.emulators.apns.server import ApnsServer

MAX_WAIT_SECONDS = 60.0
LOOK_SECONDS = 0.2  # how often a long poll looks whether its caller has hung up
MAX_STREAMS = 2**31 - 1
MAX_OFFSET_SECONDS = 100 * 365 * 86_400


class Control:
    """The listener of the control port of one server."""

    def __init__(self, apns: ApnsServer, host: str, port: int) -> None:
        self._apns = apns
        self._host = host
        self._port = port
        self._listener: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://{place(self._host, self._port)}"

    async def start(self) -> None:
        self._listener = await asyncio.start_server(self._accept, self._host, self._port, limit=MAX_HEAD_BYTES)
        self._port = port_of(self._listener)

    async def stop(self) -> None:
        listener, self._listener = self._listener, None
        if listener is None:
            return
        listener.close()
        for talk in list(self._talks):
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)
        await closed(listener)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.get_running_loop().create_task(converse(reader, writer, self._answer))
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)

    async def _answer(self, call: Call) -> object:
        allowed: list[str] = []
        for method, pattern, handler in _COMPILED:
            found = pattern.fullmatch(call.path)
            if found is None:
                continue
            if method != call.method:
                allowed.append(method)
                continue
            try:
                return await handler(self._apns, call, **found.groupdict())
            except UnknownToken as error:
                raise Refused(404, str(error)) from None
            except ValueError as error:
                raise Refused(400, str(error)) from None
        if allowed:
            raise Refused(405, f"{call.path} knows {', '.join(allowed)}, not {call.method}")
        raise Refused(404, f"nothing is at {call.path[:80]}; GET / lists what there is")


# -- handlers ---------------------------------------------------------------------------------------------------------


async def _index(apns: ApnsServer, call: Call) -> object:
    call.expect_query()
    return {"apns": apns.url, "calls": [f"{method} {path}: {meaning}" for method, path, _, meaning in ROUTES]}


async def _devices(apns: ApnsServer, call: Call) -> object:
    call.expect_query()
    return {"devices": [apns.phones.describe(token) for token in apns.phones.tokens()]}


async def _device(apns: ApnsServer, call: Call, token: str) -> object:
    call.expect_query()
    return apns.phones.describe(token)


async def _register(apns: ApnsServer, call: Call, token: str) -> object:
    topics = _strings(call.document("topics"), "topics")
    if topics is None:
        raise Refused(400, 'a registration needs {"topics": ["pass.x"]}, or ["*"] for all')
    fresh = apns.register_device(token, topics)
    return {**apns.phones.describe(token), "fresh": fresh}


async def _kill(apns: ApnsServer, call: Call, token: str) -> object:
    given = call.document("timestamp_ms", "topics", "reason")
    timestamp_ms, reason = given.get("timestamp_ms"), given.get("reason", "Unregistered")
    if timestamp_ms is not None:
        timestamp_ms = _whole(given, "timestamp_ms", 0, 2**53)
    if not isinstance(reason, str) or reason not in REASONS or REASONS[reason].status != 410:
        raise Refused(400, '"reason" must be Unregistered or ExpiredToken')
    apns.phones.kill(token, timestamp_ms=timestamp_ms, topics=_strings(given, "topics") or (), reason=reason)
    return apns.phones.describe(token)


async def _pushes(apns: ApnsServer, call: Call, token: str) -> object:
    call.expect_query("wait")
    wait = _seconds(call.query.get("wait", "0"))
    loop = asyncio.get_running_loop()
    deadline = loop.time() + min(wait, MAX_WAIT_SECONDS)
    while True:
        left = deadline - loop.time()
        await apns.phones.wait(token, max(0.0, min(left, LOOK_SECONDS)))
        if call.hung_up():  # nobody would read the answer: leave the push where it is
            return {"pushes": []}
        taken = apns.phones.take(token)
        if taken or left <= LOOK_SECONDS or apns.phones.closed:
            pushes = [{"topic": push.topic, "apns_id": push.apns_id, "at_ms": push.at_ms} for push in taken]
            return {"pushes": pushes}


async def _offline(apns: ApnsServer, call: Call, token: str) -> object:
    apns.set_offline(token, True)
    return apns.phones.describe(token)


async def _online(apns: ApnsServer, call: Call, token: str) -> object:
    apns.set_offline(token, False)
    return apns.phones.describe(token)


async def _history(apns: ApnsServer, call: Call) -> object:
    call.expect_query("token", "topic", "after")
    after = call.query.get("after", "0")
    if not after.isascii() or not after.isdigit():
        raise Refused(400, '"after" must be the number of an entry')
    found = apns.history(call.query.get("token"), call.query.get("topic"), int(after))
    return {"history": [entry.as_json() for entry in found]}


async def _forget(apns: ApnsServer, call: Call) -> object:
    apns.clear_history()
    return {"history": []}


async def _chaos(apns: ApnsServer, call: Call) -> object:
    return apns.chaos.as_json()


async def _set_chaos(apns: ApnsServer, call: Call) -> object:
    given = call.document("faults", "preset", "seed")
    listed, preset = given.get("faults"), given.get("preset")
    if (listed is None) == (preset is None):
        raise Refused(400, 'name either "preset" or "faults"')
    faults: list[Fault] = []
    if listed is not None:
        if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
            raise Refused(400, '"faults" must be a list of objects')
        faults = [fault_from_json(one) for one in listed]
    if "seed" in given:
        apns.chaos.reseed(None if given["seed"] is None else _whole(given, "seed", 0, 2**53))
    if isinstance(preset, str):
        apns.chaos.preset(preset)
    elif preset is not None:
        raise Refused(400, '"preset" must be a string')
    else:
        apns.chaos.replace(faults)
    return apns.chaos.as_json()


async def _clear_chaos(apns: ApnsServer, call: Call) -> object:
    call.expect_query("fault")
    apns.chaos.clear(call.query.get("fault"))
    return apns.chaos.as_json()


async def _goaway(apns: ApnsServer, call: Call) -> object:
    given = call.document("reason", "last_stream_id")
    reason = given.get("reason", "Shutdown")
    if not isinstance(reason, str):
        raise Refused(400, '"reason" must be a string')
    last = _whole(given, "last_stream_id", 0, MAX_STREAMS) if given.get("last_stream_id") is not None else None
    return {"connections": apns.goaway(reason, last)}


async def _settings(apns: ApnsServer, call: Call) -> object:
    given = call.document("max_concurrent_streams", "token_seconds", "token_update_seconds")
    if not given:
        raise Refused(400, "name a setting: max_concurrent_streams, token_seconds or token_update_seconds")
    values = {name: _whole(given, name, 0, MAX_STREAMS) for name in given}
    if "max_concurrent_streams" in values:
        apns.limit_streams(values["max_concurrent_streams"])
    apns.provider.lifetime = values.get("token_seconds", apns.provider.lifetime)
    apns.provider.updates = values.get("token_update_seconds", apns.provider.updates)
    return {
        "max_concurrent_streams": apns.max_concurrent_streams,
        "token_seconds": apns.provider.lifetime,
        "token_update_seconds": apns.provider.updates,
    }


async def _keys(apns: ApnsServer, call: Call) -> object:
    call.expect_query()
    return {"keys": [key.as_json() for _, key in sorted(apns.provider.keys.items())]}


async def _put_key(apns: ApnsServer, call: Call, key_id: str) -> object:
    given = call.document("team", "pem", "topics", "environment")
    team, pem, environment = given.get("team"), given.get("pem"), given.get("environment")
    if not isinstance(team, str) or not isinstance(pem, str):
        raise Refused(400, 'a key needs {"team": "TEAM123456", "pem": "-----BEGIN …"}: its public key will do')
    if environment not in (None, "production", "development"):
        raise Refused(400, '"environment" must be "production", "development" or null')
    key = ProviderKey.of(key_id, team, pem.encode(), _strings(given, "topics"), environment)
    apns.know_key(key)
    return key.as_json()


async def _revoke_key(apns: ApnsServer, call: Call, key_id: str) -> object:
    if not apns.revoke_key(key_id):
        raise Refused(404, f"no key {key_id[:40]} is known; GET /keys lists them")
    return {"id": key_id, "known": False}


async def _team(apns: ApnsServer, call: Call, team: str) -> object:
    topics = _strings(call.document("topics"), "topics")
    if topics is None:
        raise Refused(400, 'a team needs {"topics": ["pass.x"]}')
    apns.provider.topics_of_team[team] = frozenset(topics)
    return {"team": team, "topics": sorted(set(topics))}


async def _certificates(apns: ApnsServer, call: Call) -> object:
    call.expect_query()
    standing = apns.standing
    revoked = [f"{serial:x}" for serial in sorted(standing.revoked())]
    return {"refused_by": apns.bad_certificate, "lapsed": standing.lapsed, "lapsed_may_be": LAPSED, "revoked": revoked}


async def _set_certificates(apns: ApnsServer, call: Call) -> object:
    wanted = call.document("lapsed").get("lapsed")
    for choice in LAPSED:
        if wanted == choice:
            apns.standing.lapsed = choice
            return await _certificates(apns, call)
    raise Refused(400, f'"lapsed" must be one of {", ".join(LAPSED)}')


async def _revoke(apns: ApnsServer, call: Call, serial: str) -> object:
    if not re.fullmatch(r"[0-9A-Fa-f]{1,40}", serial):
        raise Refused(400, "a serial number is up to 40 hex digits, as openssl x509 -serial prints it")
    apns.revoke(int(serial, 16))
    return await _certificates(apns, call)


async def _forgive(apns: ApnsServer, call: Call) -> object:
    apns.standing.forgive()
    return await _certificates(apns, call)


async def _clock(apns: ApnsServer, call: Call) -> object:
    call.expect_query()
    return {"offset_seconds": apns.standing.offset, "now_ms": int(apns.standing.now() * 1000)}


async def _move_clock(apns: ApnsServer, call: Call) -> object:
    given = call.document("offset_seconds")
    apns.move_clock(_whole(given, "offset_seconds", -MAX_OFFSET_SECONDS, MAX_OFFSET_SECONDS))
    return await _clock(apns, call)


async def _stats(apns: ApnsServer, call: Call) -> object:
    call.expect_query()
    return apns.stats()


async def _down(apns: ApnsServer, call: Call) -> object:
    await apns.down()
    return {"up": apns.is_up}


async def _up(apns: ApnsServer, call: Call) -> object:
    await apns.up()
    return {"up": apns.is_up}


Handler = Callable[..., Awaitable[object]]

ROUTES: tuple[tuple[str, str, Handler, str], ...] = (
    ("GET", "/", _index, "this list"),
    ("GET", "/devices", _devices, "every token that is known"),
    ("GET", "/devices/{token}", _device, "one token: topics, dead or alive, listening, what is stored"),
    ("POST", "/devices/{token}", _register, '{"topics": ["pass.x"]}: make it live for exactly these'),
    (
        "DELETE",
        "/devices/{token}",
        _kill,
        '410 from now on; {"timestamp_ms": …, "topics": […], "reason": …} if you like',
    ),
    ("GET", "/devices/{token}/pushes", _pushes, "?wait=SECONDS (60 at most): be the phone and take what is there"),
    ("POST", "/devices/{token}/offline", _offline, "the phone hears nothing, even while it polls"),
    ("POST", "/devices/{token}/online", _online, "the phone is back"),
    ("GET", "/history", _history, "?token=&topic=&after=NUMBER: what was asked of us, oldest first"),
    ("DELETE", "/history", _forget, "forget it"),
    ("GET", "/chaos", _chaos, "the faults that are switched on"),
    (
        "PUT",
        "/chaos",
        _set_chaos,
        '{"preset": "hostile"} or {"faults": [{"fault": "status:500", …}]}; "seed" if you like',
    ),
    ("DELETE", "/chaos", _clear_chaos, "switch all faults off, or ?fault=SPEC"),
    ("POST", "/goaway", _goaway, '{"reason": "Shutdown", "last_stream_id": n}: GOAWAY on every connection now'),
    ("GET", "/certificates", _certificates, "which client certificates are refused, and how"),
    (
        "PUT",
        "/certificates",
        _set_certificates,
        '{"lapsed": "cut"}: what a standing connection then meets',
    ),
    ("POST", "/revoked/{serial}", _revoke, "take the certificate of this serial number (hex) for revoked"),
    ("DELETE", "/revoked", _forgive, "forget those; what the authority itself revoked stays"),
    ("GET", "/clock", _clock, "what time it is here"),
    ("PUT", "/clock", _move_clock, '{"offset_seconds": n}: be that far ahead of the true time'),
    (
        "POST",
        "/settings",
        _settings,
        '{"max_concurrent_streams": n} for every connection; "token_seconds", "token_update_seconds": Apple\'s hour and'
        " twenty minutes",
    ),
    ("GET", "/keys", _keys, "the provider keys (.p8) that are known"),
    (
        "PUT",
        "/keys/{key_id}",
        _put_key,
        '{"team": …, "pem": …}: take its tokens; "topics": […] and "environment" limit it',
    ),
    ("DELETE", "/keys/{key_id}", _revoke_key, "take its tokens no more"),
    ("PUT", "/teams/{team}", _team, '{"topics": […]}: what keys of a team may push to; before: everything'),
    ("GET", "/stats", _stats, "counters"),
    ("POST", "/down", _down, "be unreachable"),
    ("POST", "/up", _up, "be back, on the same port"),
)

_COMPILED = tuple(
    (method, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)), handler) for method, path, handler, _ in ROUTES
)


# -- reading values ---------------------------------------------------------------------------------------------------


def _strings(given: dict[str, object], key: str) -> list[str] | None:
    found = given.get(key)
    if found is None:
        return None
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise Refused(400, f'"{key}" must be a list of strings')
    return found


def _whole(given: dict[str, object], key: str, lowest: int, highest: int) -> int:
    found = given.get(key)
    if isinstance(found, bool) or not isinstance(found, int) or not lowest <= found <= highest:
        raise Refused(400, f'"{key}" must be a whole number from {lowest} to {highest}')
    return found


def _seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found < float("inf"):
        raise Refused(400, f'"wait" must be a number of seconds, not {text[:40]!r}')
    return found
