// The smallest Express application around express-passkit-webservice. The package leaves storage to whoever uses it:
// registrations are in SQLite, as durable as ours, and passes in memory.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { DatabaseSync } from "node:sqlite";
import express from "express";
import listRouter from "express-passkit-webservice/v1/list.js";
import registrationRouter from "express-passkit-webservice/v1/registration.js";
import updateRouter from "express-passkit-webservice/v1/update.js";

const given = JSON.parse(readFileSync(process.env.GIVEN, "utf8"));
const passes = JSON.parse(readFileSync(`${given.folder}/passes.json`, "utf8"));
const bytes = new Map(passes.map(({ serial }) => [serial, new Uint8Array(readFileSync(`${given.folder}/${serial}.pkpass`))]));
const tokens = new Set(passes.map(({ token }) => token));
const changed = String(Math.floor(Date.now() / 1000));

const db = new DatabaseSync(`${given.folder}/peer.db`);
db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
  CREATE TABLE registration (device TEXT, serial TEXT, token TEXT, PRIMARY KEY (device, serial))`);
const add = db.prepare("INSERT INTO registration VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET token = excluded.token");
const held = db.prepare("SELECT serial FROM registration WHERE device = ?");

const tokenVerifier = async (token) => tokens.has(token);
const app = express();
app.use("/wallet", registrationRouter({
  tokenVerifier,
  async onRegister(device, passType, serial, pushToken) {
    return add.run(device, serial, String(pushToken)).changes === 1;
  },
  async onUnregister() {},
}));
app.use("/wallet", listRouter({
  async onListRetrieve(device) {
    const serialNumbers = held.all(device).map(({ serial }) => serial);
    return serialNumbers.length ? { serialNumbers, lastUpdated: changed } : undefined;
  },
}));
app.use("/wallet", updateRouter({
  tokenVerifier,
  async onUpdateRequest(passType, serial) {
    return bytes.get(serial);
  },
}));
createServer(app).listen(given.port, "127.0.0.1");
