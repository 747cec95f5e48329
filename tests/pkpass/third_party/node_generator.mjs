// Makes a pass with passkit-generator. Its argument is the JSON file that test_generators.py writes.
import { readFileSync, writeFileSync } from "node:fs";
import { PKPass } from "passkit-generator";

const given = JSON.parse(readFileSync(process.argv[2], "utf8"));
const read = (name) => readFileSync(given[name]);

const pass = await PKPass.from(
  { model: given.model, certificates: { wwdr: read("wwdr"), signerCert: read("certificate"), signerKey: read("key") } },
  { serialNumber: given.serial },
);
pass.setBarcodes({ format: "PKBarcodeFormatQR", message: given.serial, messageEncoding: "iso-8859-1" });
pass.setExpirationDate(new Date("2027-12-31T12:00:00Z"));
pass.localize("de", { Points: "Punkte" });
writeFileSync(given.out, pass.getAsBuffer());
