"""py-pkpass: a pass object for each pass, its files added from memory, as its documentation says."""

import io
import json

from py_pkpass.models import Barcode, BarcodeFormat, Pass, StoreCard
from told import folder, given, timed

document = json.loads((folder / "model.pass/pass.json").read_text())
images = {path.name: path.read_bytes() for path in (folder / "model.pass").glob("*.png")}
certificate, key, wwdr = (str(folder / name) for name in ("certificate.pem", "key.pem", "wwdr.pem"))


def one(number):
    card, fields = StoreCard(), document["storeCard"]
    for add, kind in (
        (card.addHeaderField, "headerFields"),
        (card.addPrimaryField, "primaryFields"),
        (card.addSecondaryField, "secondaryFields"),
        (card.addBackField, "backFields"),
    ):
        for field in fields[kind]:
            add(field["key"], field["value"], field["label"])
    made = Pass(
        card,
        passTypeIdentifier=given["pass_type"],
        organizationName=document["organizationName"],
        teamIdentifier=given["team"],
    )
    made.serialNumber, made.description = str(number), document["description"]
    made.backgroundColor, made.foregroundColor = document["backgroundColor"], document["foregroundColor"]
    made.webServiceURL, made.authenticationToken = document["webServiceURL"], document["authenticationToken"]
    made.barcode = Barcode(message=str(number), format=BarcodeFormat.QR)
    for name, content in images.items():
        made.addFile(name, io.BytesIO(content))
    return made.create(certificate, key, wwdr, None).getvalue()


timed(one)
