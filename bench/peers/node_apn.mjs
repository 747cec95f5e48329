// @parse/node-apn: one provider, as many recipients at once as the others.
import { randomBytes } from "node:crypto";
import dns from "node:dns";
import { readFileSync } from "node:fs";
import apn from "@parse/node-apn";

const given = JSON.parse(readFileSync(process.argv[2], "utf8"));
// It takes a certificate of Apple's production for Apple's own name only: that name is this machine, here.
dns.lookup = (name, options, answer) => answer(null, options.all ? [{ address: "127.0.0.1", family: 4 }] : "127.0.0.1", 4);
const provider = new apn.Provider({
  cert: `${given.folder}/client.pem`, key: `${given.folder}/client.key`, ca: [readFileSync(`${given.folder}/root.pem`)],
  address: "api.push.apple.com", port: given.port, production: true, rejectUnauthorized: false,
});

const lot = () => Array.from({ length: given.at_once }, () => randomBytes(32).toString("hex"));
const lots = Array.from({ length: given.lots }, lot);

async function batch(recipients) {
  const note = new apn.Notification();
  note.topic = given.topic;
  note.rawPayload = {};
  note.expiry = 1900000000;
  const { sent, failed } = await provider.send(note, recipients);
  if (sent.length !== recipients.length) throw new Error(`${failed.length} refused: ${JSON.stringify(failed[0])}`);
  return sent.length;
}

await batch(lots[0].slice(0, 10));
const before = process.cpuUsage();
const began = process.hrtime.bigint();
let done = 0, turn = 0;
while (Number(process.hrtime.bigint() - began) / 1e9 < given.seconds) done += await batch(lots[turn++ % lots.length]);
const { user, system } = process.cpuUsage(before);
console.log(JSON.stringify({ per_cpu_second: done / ((user + system) / 1e6) }));
process.exit(0);
