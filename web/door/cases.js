// The cases of the verifier, for node and for browsers alike. They want a fixture that a running server has made (see
// crates/testkit/tests/rest/door_offline.rs): real codes, a real bundle, and what the server says to the same codes.

import { Door, DoorError, isSupported, parseCode } from "./verifier.js";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

function same(actual, expected, about) {
  const [left, right] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (left !== right) throw new Error(`${about ?? "difference"}: ${left} instead of ${right}`);
}

async function refused(code, action) {
  try {
    await action();
  } catch (error) {
    if (error instanceof DoorError && error.code === code) return;
    throw error;
  }
  throw new Error(`${code} did not happen`);
}

/** The bytes of a code as text, in the canonical form. */
export function encode(bytes) {
  let text = "GT1:";
  for (let at = 0; at < bytes.length; at += 2) {
    const pair = at + 1 < bytes.length;
    let rest = pair ? bytes[at] * 256 + bytes[at + 1] : bytes[at];
    for (let digit = 0; digit < (pair ? 3 : 2); digit += 1) {
      text += ALPHABET[rest % 45];
      rest = Math.floor(rest / 45);
    }
  }
  return text;
}

function bytesOf(code) {
  const { claims, signature } = parseCode(code);
  return Uint8Array.from([...claims, ...signature]);
}

/** All cases: a name, and what must not throw. */
export function cases(fixture) {
  const now = () => Date.parse(fixture.now);
  const door = async (options = {}) => {
    const opened = await Door.open({ now, ...options });
    await opened.update(fixture.bundle);
    return opened;
  };
  // What a program does that is loaded again: it has nothing but what was kept, and no network.
  const reloaded = async (kept, options = {}) => {
    const opened = await Door.open({ now, ...options });
    await opened.restore(JSON.parse(JSON.stringify(kept)));
    return opened;
  };
  const word = async (of, code, options) => (await of.judge(code, options)).result;
  return [
    ["this engine has Ed25519", async () => same(await isSupported(), true)],
    [
      "each code gets the word that the server gave",
      async () => {
        const opened = await door();
        for (const { about, code, listId, result } of fixture.words) {
          same(await word(opened, code, listId === null ? {} : { listId }), result, about);
        }
      },
    ],
    [
      "a code says what its ticket is",
      async () => {
        const claims = parseCode(fixture.valid.code);
        same([claims.ticketId, claims.eventId, claims.issue], [fixture.valid.ticketId, fixture.bundle.eventId, 1]);
      },
    ],
    [
      "a ticket lets in once, however often and at the same time it is shown",
      async () => {
        const opened = await door();
        const all = await Promise.all(Array.from({ length: 64 }, () => opened.admit(fixture.valid.code, { gate: "West" })));
        const admitted = all.filter(({ result }) => result === "admitted");
        same(admitted.length, 1, "exactly one");
        same(admitted[0].ticket.id, fixture.valid.ticketId);
        for (const other of all.filter((one) => one !== admitted[0])) {
          same([other.result, other.gate], ["already_used", "West"], "replayed");
        }
        const told = opened.pending();
        same([told.scans.length, told.scans[0].code, told.scans[0].gate], [1, fixture.valid.code, "West"]);
        const scans = [{ id: told.scans[0].id, result: "admitted", flag: "conflict" }];
        same(opened.synced({ scans }), scans, "what somebody should look at");
        same([opened.pending(), await word(opened, fixture.valid.code)], [null, "already_used"]);
      },
    ],
    [
      "no flipped bit of a code is let in: of its bytes",
      async () => {
        const opened = await door();
        const good = bytesOf(fixture.valid.code);
        same(encode(good), fixture.valid.code);
        for (let bit = 0; bit < good.length * 8; bit += 1) {
          const bad = good.slice();
          bad[bit >> 3] ^= 1 << (bit & 7);
          const ofEvent = bit >> 3 >= 19 && bit >> 3 < 35;
          same(await word(opened, encode(bad)), ofEvent ? "wrong_event" : "invalid", `bit ${bit}`);
        }
      },
    ],
    [
      "no flipped bit of a code is let in: of its text",
      async () => {
        const opened = await door();
        const { code } = fixture.valid;
        for (let at = 0; at < code.length; at += 1) {
          for (let bit = 0; bit < 8; bit += 1) {
            const other = String.fromCharCode(code.charCodeAt(at) ^ (1 << bit));
            const result = await word(opened, code.slice(0, at) + other + code.slice(at + 1));
            same(["invalid", "wrong_event"].includes(result), true, `character ${at}, bit ${bit}: ${result}`);
          }
        }
      },
    ],
    [
      "truncated, longer and other spellings are no codes",
      async () => {
        const opened = await door();
        const { code } = fixture.valid;
        for (let size = 0; size < code.length; size += 1) same(await word(opened, code.slice(0, size)), "invalid");
        const spellings = [`${code}0`, ` ${code}`, `${code}\n`, code.toLowerCase(), code.replace("GT1:", "GT2:"), "", null, 7, {}];
        for (const spelling of spellings) same(await word(opened, spelling), "invalid", String(spelling));
        // Three characters above 65535, and two above 255, spell no bytes: «:::» and «::».
        same(parseCode(`GT1:${":".repeat(194)}`), null);
        // The head of one code with the signature of another.
        const mixed = bytesOf(code);
        mixed.set(parseCode(fixture.revoked.code).signature, 65);
        same(await word(opened, encode(mixed)), "invalid");
      },
    ],
    [
      "a signature with another spelling of its number is refused",
      async () => {
        // S + L says the same to who is lax (RFC 8032, 5.1.7).
        const L = 2n ** 252n + 27742317777372353535851937790883648493n;
        const bytes = bytesOf(fixture.valid.code);
        let s = 0n;
        for (let at = 31; at >= 0; at -= 1) s = s * 256n + BigInt(bytes[97 + at]);
        s += L;
        for (let at = 0; at < 32; at += 1, s >>= 8n) bytes[97 + at] = Number(s & 255n);
        same(await word(await door(), encode(bytes)), "invalid");
      },
    ],
    [
      "rules of lists and times are those of the bundle",
      async () => {
        const at = (seconds) => door({ now: () => seconds * 1000 });
        const { validFrom, validUntil } = fixture.bundle;
        for (const [seconds, result] of [
          [validFrom - 1, "not_valid_now"],
          [validFrom, "admitted"],
          [validUntil - 1, "admitted"],
          [validUntil, "not_valid_now"],
        ]) {
          same(await word(await at(seconds), fixture.valid.code), result, String(seconds));
        }
        const cancelled = await Door.open({ now });
        await cancelled.update({ ...fixture.bundle, cancelled: true });
        same(await word(cancelled, fixture.valid.code), "not_valid_now");
        const opened = await door();
        await refused("list_unknown", () => opened.judge(fixture.valid.code, { listId: fixture.valid.ticketId }));
      },
    ],
    [
      "what is new is taken over, and what is not counted any more is forgotten",
      async () => {
        const opened = await door();
        same(await word(opened, fixture.used.code), "already_used");
        same(opened.cursor, fixture.bundle.cursor);
        await opened.update(fixture.later);
        same(await word(opened, fixture.used.code), "admitted", "its entry was undone");
        same(await word(opened, fixture.valid.code), "revoked", "it was issued anew");
        const blocked = await door();
        same(await word(blocked, fixture.blocked.code), "blocked");
        const reopened = await reloaded(blocked.snapshot());
        same(await word(reopened, fixture.blocked.code), "blocked");
        await reopened.update(fixture.later);
        same(await word(reopened, fixture.blocked.code), "admitted", "it was unblocked");
      },
    ],
    [
      "a door without a bundle, with an old or a foreign one, does not answer",
      async () => {
        const empty = await Door.open({ now });
        await refused("bundle_missing", () => empty.judge(fixture.valid.code));
        let time = now();
        const aging = await door({ maxAgeSeconds: 600, now: () => time });
        time += 600_000;
        same(aging.ageSeconds, 600);
        same(await word(aging, fixture.valid.code), "admitted");
        time += 1_000;
        await refused("bundle_too_old", () => aging.judge(fixture.valid.code));
        aging.confirmed();
        same(await word(aging, fixture.valid.code), "admitted");
        const opened = await door();
        await refused("bundle_foreign", () => opened.update({ ...fixture.bundle, eventId: fixture.valid.ticketId }));
        await refused("bundle_unknown_format", () => opened.update({ ...fixture.bundle, format: 2 }));
        const crooked = { ...fixture.bundle, tickets: { ...fixture.bundle.tickets, issues: "" } };
        await refused("bundle_malformed", () => opened.update(crooked));
        same(await word(opened, fixture.revoked.code), "revoked", "nothing has changed");
      },
    ],
    [
      "a reload keeps what was let in and what was told of it",
      async () => {
        const opened = await door();
        const { checkInId } = await opened.admit(fixture.valid.code, { gate: "Øst «2»" });
        const told = opened.pending();
        const untold = await reloaded(opened.snapshot());
        same([untold.pending(), await word(untold, fixture.valid.code)], [told, "already_used"], "it was not told yet");
        same(opened.synced({ scans: [{ id: checkInId, result: "admitted" }] }), []);
        const used = await opened.judge(fixture.valid.code);
        same([used.result, used.gate], ["already_used", "Øst «2»"]);
        const again = await reloaded(opened.snapshot());
        same([again.pending(), await again.admit(fixture.valid.code)], [null, used], "it was told");
        same(again.snapshot(), opened.snapshot(), "what is the same looks the same");
        // What is new is asked for as before.
        same(again.cursor, fixture.bundle.cursor);
        await again.update(fixture.later);
        same([await word(again, fixture.used.code), again.cursor], ["admitted", fixture.later.cursor]);
        same(await word(again, fixture.valid.code), "revoked", "it was issued anew");
        const last = await reloaded(again.snapshot());
        same(await word(last, fixture.used.code), "admitted", "its entry stays undone");
        same(await word(last, fixture.valid.code), "revoked");
      },
    ],
    [
      "a reload needs no bundle: each code gets the word that the server gave",
      async () => {
        const opened = await door();
        const again = await reloaded(opened.snapshot());
        same(again.lists, opened.lists);
        for (const { about, code, listId, result } of fixture.words) {
          const on = listId === null ? {} : { listId };
          same(await word(again, code, on), result, about);
          same(await again.judge(code, on), await opened.judge(code, on), about);
        }
        const all = await Promise.all(Array.from({ length: 8 }, () => again.admit(fixture.valid.code)));
        same(all.filter(({ result }) => result === "admitted").length, 1, "exactly one");
        await refused("door_in_use", () => again.restore(opened.snapshot()));
        same(again.pending().scans.length, 1, "nothing has changed");
        same((await Door.open({ now })).snapshot(), null, "nothing is known yet");
      },
    ],
    [
      "what is known gets no younger: not by a reload, and not by its clock",
      async () => {
        let time = now();
        const options = { maxAgeSeconds: 600, now: () => time };
        let opened = await door(options);
        const reload = async () => (opened = await reloaded(opened.snapshot(), options));
        time += 400_000;
        await reload();
        same(opened.ageSeconds, 400);
        const kept = opened.snapshot();
        time += 200_000;
        opened = await reloaded(kept, options);
        same([opened.ageSeconds, await word(opened, fixture.valid.code)], [600, "admitted"], "it counts while nothing runs");
        // Set back while it runs, and then while it does not.
        time -= 3_600_000;
        same(opened.ageSeconds, 600);
        const before = opened.snapshot();
        time -= 3_600_000;
        opened = await reloaded(before, options);
        same(opened.ageSeconds, 600);
        time += 1_000;
        same(opened.ageSeconds, 601);
        await refused("bundle_too_old", () => opened.judge(fixture.valid.code));
        await reload();
        await refused("bundle_too_old", () => opened.judge(fixture.valid.code));
        opened.confirmed();
        same(opened.ageSeconds, 0);
        await reload();
        same(opened.ageSeconds, 0);
      },
    ],
    [
      "a snapshot that makes no sense is refused, and changes nothing",
      async () => {
        const opened = await door();
        await opened.admit(fixture.valid.code, { gate: "West" });
        const kept = opened.snapshot();
        const [scan] = kept.pending;
        const empty = await Door.open({ now });
        for (const other of [null, undefined, 7, "{}", [], {}, { ...kept, format: 2 }, { event: null, pending: [] }]) {
          await refused("snapshot_unknown_format", () => empty.restore(other));
        }
        for (const crooked of [
          { format: kept.format },
          { ...kept, asOf: null },
          { ...kept, asOf: "yesterday" },
          { ...kept, asOf: kept.seenAt + 1 },
          { ...kept, seenAt: undefined },
          { ...kept, pending: undefined },
          { ...kept, pending: [null] },
          { ...kept, pending: [scan, scan] },
          ...[{ id: 1 }, { code: "GT1:" }, { listId: null }, { at: "today" }, { gate: "" }].map((part) => ({
            ...kept,
            pending: [{ ...scan, ...part }],
          })),
          { ...kept, known: null },
          ...Object.keys(kept.known).flatMap((field) =>
            [undefined, null, 7.5, "?", [null]].map((value) => ({ ...kept, known: { ...kept.known, [field]: value } })),
          ),
          ...["ids", "times", "gates", "states"].map((field) => ({
            ...kept,
            known: { ...kept.known, entries: kept.known.entries.map((list) => ({ ...list, [field]: "AAAA" })) },
          })),
        ]) {
          // A number of seconds may be any, and a cursor is a word of the server.
          const { validFrom, validUntil, cursor } = crooked.known ?? {};
          if ([validFrom, validUntil].includes(7.5) || cursor === "?") continue;
          await refused("snapshot_malformed", () => empty.restore(crooked));
        }
        same([empty.cursor, empty.ageSeconds, empty.pending(), empty.snapshot()], [null, null, null, null]);
        await refused("bundle_missing", () => empty.judge(fixture.valid.code));
        await empty.restore(kept);
        same(empty.snapshot(), kept);
      },
    ],
    [
      "a gate that the server would refuse lets nobody in",
      async () => {
        const opened = await door();
        const bad = ["", " \t\n", "\u0085", "x".repeat(101), "😀".repeat(101), "a\u0000b", "a\u0085b", "\ud83d", 7, {}];
        for (const gate of bad) await refused("gate_invalid", () => opened.admit(fixture.valid.code, { gate }));
        same([opened.pending(), await word(opened, fixture.valid.code)], [null, "admitted"], "nothing is noted");
        for (const [gate, kept] of [
          [` ${"😀".repeat(100)}\u0085`, "😀".repeat(100)],
          ["\u3000Tor\t1\n", "Tor\t1"],
          ["\ufeff", "\ufeff"],
          [null, null],
          [undefined, null],
        ]) {
          const other = await door();
          same((await other.admit(fixture.valid.code, { gate })).gate, kept);
          same(other.pending().scans[0].gate ?? null, kept, "told as it is kept there");
        }
      },
    ],
    [
      "an engine without Ed25519 is told so",
      async () => {
        const real = globalThis.crypto;
        const none = { subtle: { generateKey: () => Promise.reject(new Error("NotSupportedError")) } };
        Object.defineProperty(globalThis, "crypto", { value: none, configurable: true });
        try {
          await refused("ed25519_unsupported", () => Door.open());
        } finally {
          Object.defineProperty(globalThis, "crypto", { value: real, configurable: true });
        }
      },
    ],
  ];
}
