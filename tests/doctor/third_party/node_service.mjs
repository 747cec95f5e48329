// The smallest Express application around express-passkit-webservice: one pass, its registrations in memory, TLS.
// The package leaves storage to whoever uses it: what is answered and how is the package's, what is known is ours.
// Its argument is the JSON file that services.py writes.
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import express from "express";
import listRouter from "express-passkit-webservice/v1/list.js";
import logRouter from "express-passkit-webservice/v1/log.js";
import registrationRouter from "express-passkit-webservice/v1/registration.js";
import updateRouter from "express-passkit-webservice/v1/update.js";

const given = JSON.parse(readFileSync(process.argv[2], "utf8"));
const bytes = new Uint8Array(readFileSync(given.package));
const changed = Math.floor(Date.now() / 1000);
const registered = new Set();
const tokenVerifier = async (token) => token === given.token;

const app = express();
app.use("/wallet", registrationRouter({
  tokenVerifier,
  async onRegister(device) {
    const isNew = !registered.has(device);
    registered.add(device);
    return isNew;
  },
  async onUnregister(device) {
    registered.delete(device);
  },
}));
app.use("/wallet", listRouter({
  async onListRetrieve(device, passType, { passesUpdatedSince }) {
    if (!registered.has(device) || passesUpdatedSince === String(changed)) return undefined;
    return { serialNumbers: [given.serial], lastUpdated: String(changed) };
  },
}));
app.use("/wallet", updateRouter({
  tokenVerifier,
  async onUpdateRequest(passType, serial, since) {
    return since !== undefined && since >= changed * 1000 ? undefined : bytes;
  },
}));
app.use("/wallet", logRouter({ onIncomingLogs() {} }));

createServer({ cert: readFileSync(given.certificate), key: readFileSync(given.key) }, app)
  .listen(given.port, "127.0.0.1", () => console.log("ready"));
