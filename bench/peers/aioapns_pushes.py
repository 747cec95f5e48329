"""aioapns: ``send_notification`` for each push, as many at once as the others."""

import asyncio
import itertools
import json
import logging
import os
import ssl
import sys
import time
from pathlib import Path

from aioapns import APNs, NotificationRequest
from aioapns.connection import APNsProductionClientProtocol

given = json.loads(Path(sys.argv[1]).read_text())
folder = Path(given["folder"])
APNsProductionClientProtocol.APNS_SERVER = "127.0.0.1"
APNsProductionClientProtocol.APNS_PORT = given["port"]
logging.disable(logging.CRITICAL)


async def main():
    context = ssl.create_default_context(cafile=str(folder / "root.pem"))
    context.load_cert_chain(str(folder / "both.pem"))
    context.set_alpn_protocols(["h2"])
    apns = APNs(client_cert=str(folder / "both.pem"), topic=given["topic"], max_connections=1, ssl_context=context)

    def lot():
        return [NotificationRequest(device_token=os.urandom(32).hex(), message={}) for _ in range(given["at_once"])]

    lots = itertools.cycle([lot() for _ in range(given["lots"])])

    async def batch(requests):
        answers = await asyncio.gather(*(apns.send_notification(request) for request in requests))
        if not all(answer.is_successful for answer in answers):
            raise SystemExit("aioapns: a push was refused")
        return len(requests)

    await batch(next(lots)[:10])
    cpu, began, done = time.process_time(), time.perf_counter(), 0
    while time.perf_counter() - began < given["seconds"]:
        done += await batch(next(lots))
    print(json.dumps({"per_cpu_second": done / (time.process_time() - cpu)}), flush=True)


asyncio.run(main())
