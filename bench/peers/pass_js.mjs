// @walletpass/pass-js: a template with certificate and images loaded once, and createPass for each.
import { Template } from "@walletpass/pass-js";
import { file, given, timed } from "./told.mjs";

const template = await Template.load(`${given.folder}/model.pass`);
template.setCertificate(file("certificate.pem").toString());
template.setPrivateKey(file("key.pem").toString());
await timed((number) => template.createPass({ serialNumber: String(number) }).asBuffer());
