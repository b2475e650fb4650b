// How many codes a second a browser judges: codes that are signed here, against a bundle of 50,000 entries.

import { encode } from "./cases.js";
import { Door } from "./verifier.js";

const text = (bytes) => {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
};

const id = (bytes) => {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
};

function random(count) {
  const bytes = new Uint8Array(count);
  for (let at = 0; at < count; at += 65_536) crypto.getRandomValues(bytes.subarray(at, Math.min(count, at + 65_536)));
  return bytes;
}

/** Makes so many codes, and judges each once, as one scanner does: one after the other, and then 32 at a time. */
export async function measure(codes) {
  const pair = await crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]);
  const [event, type] = [random(16), random(16)];
  const entries = 50_000;
  const bundle = {
    format: 1,
    eventId: id(event),
    cancelled: false,
    validFrom: 0,
    validUntil: 2 ** 39,
    keys: [{ number: 1, key: text(new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey))) }],
    ticketTypes: [{ id: id(type), name: "Standing" }],
    lists: [{ id: id(event), name: "All tickets", entry: "once", from: null, until: null, ticketTypeIds: [] }],
    tickets: { ids: "", issues: "" },
    gates: [],
    entries: [
      {
        listId: id(event),
        ids: text(random(entries * 16)),
        times: text(new Uint8Array(entries * 4)),
        gates: text(new Uint8Array(entries * 2)),
        states: text(new Uint8Array(entries).fill(1)),
      },
    ],
    cursor: "0-0",
    more: false,
  };
  const door = await Door.open();
  const before = performance.now();
  await door.update(bundle);
  const bundleMs = performance.now() - before;
  const made = [];
  for (let count = 0; count < codes; count += 1) {
    const claims = new Uint8Array(65);
    const view = new DataView(claims.buffer);
    claims[0] = 1;
    view.setUint16(1, 1);
    claims.set(random(16), 3);
    claims.set(event, 19);
    claims.set(type, 35);
    claims.fill(1, 56, 61);
    view.setUint32(61, 1);
    const signature = new Uint8Array(await crypto.subtle.sign({ name: "Ed25519" }, pair.privateKey, claims));
    made.push(encode(Uint8Array.from([...claims, ...signature])));
  }
  const judged = async (some) => {
    const results = await Promise.all(some.map((code) => door.judge(code)));
    if (results.some(({ result }) => result !== "admitted")) throw new Error("a good code was refused");
  };
  const rate = async (size) => {
    const since = performance.now();
    for (let at = 0; at < made.length; at += size) await judged(made.slice(at, at + size));
    return Math.round((made.length / (performance.now() - since)) * 1_000);
  };
  await judged(made.slice(0, 500));
  return { codes, bundleMs: Math.round(bundleMs), codesPerSecondOneByOne: await rate(1), codesPerSecond: await rate(32) };
}
