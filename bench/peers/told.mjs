// What every peer for node does the same: read what it is given, run something for a while, say how often it ran.
import { readFileSync, writeFileSync } from "node:fs";

export const given = JSON.parse(readFileSync(process.argv[2], "utf8"));
export const file = (name) => readFileSync(`${given.folder}/${name}`);

function cpuSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

// `one(number)` for the seconds given, per second of CPU; its last bytes are kept, so that they can be verified.
export async function timed(one) {
  await one(0);
  const began = cpuSeconds();
  let done = 0;
  let bytes;
  while (cpuSeconds() - began < given.seconds) {
    for (let turn = 0; turn < 20; turn += 1) {
      done += 1;
      bytes = await one(done);
    }
  }
  const spent = cpuSeconds() - began;
  writeFileSync(`${given.folder}/built.pkpass`, bytes);
  console.log(JSON.stringify({ per_cpu_second: done / spent }));
}
