// passkit-generator: a model kept in memory, and PKPass.from for each pass, as its documentation says.
import { readdirSync } from "node:fs";
import { PKPass } from "passkit-generator";
import { file, given, timed } from "./told.mjs";

const files = Object.fromEntries(readdirSync(`${given.folder}/model.pass`).map((name) => [name, file(`model.pass/${name}`)]));
const model = new PKPass(files, { wwdr: file("wwdr.pem"), signerCert: file("certificate.pem"), signerKey: file("key.pem") });
await timed(async (number) => (await PKPass.from(model, { serialNumber: String(number) })).getAsBuffer());
