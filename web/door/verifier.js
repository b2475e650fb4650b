// The door without a network: reads the codes of tickets, checks their signatures, and answers in the words of the server.
//
// A plain ES module without dependencies, for browsers and node alike. It wants a bundle of
// `GET /events/{id}/check-ins/bundle` (docs/door.md) and WebCrypto with Ed25519, and keeps what it lets in until that is
// told by `POST /events/{id}/check-ins/sync`. It stores nothing by itself: `snapshot` gives all that it knows as JSON, and
// `restore` takes it over after a reload, without a network.

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
const VALUES = new Int8Array(128).fill(-1);
for (let at = 0; at < ALPHABET.length; at += 1) VALUES[ALPHABET.charCodeAt(at)] = at;

const PREFIX = "GT1:";
const CODE_CHARS = 198;
const CODE_BYTES = 129;
const CLAIMS_BYTES = 65;
/** The only format of bundles that this program knows. */
const FORMAT = 1;
/** The only format of snapshots that it knows. */
const SNAPSHOT_FORMAT = 1;
/** The most scans of one request to the server. */
export const SCANS_MAX = 500;
const GATE_CHARS = 100;
/** In the place of an issue: the ticket is blocked for the time being. */
const BLOCKED = 0xffffffff;
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Why a door cannot be opened here; `code` is a stable word. */
export class DoorError extends Error {
  constructor(code, message) {
    super(message);
    this.name = "DoorError";
    this.code = code;
  }
}

/**
 * Whether this browser can check signatures: false where it has no WebCrypto (as on pages that came by plain HTTP) or no
 * Ed25519 in it. Then only the server can let in.
 */
export async function isSupported() {
  try {
    const pair = await globalThis.crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]);
    return pair.publicKey.type === "public";
  } catch {
    return false;
  }
}

/** The bytes of a Base45 text (RFC 9285) if it is the one that encoding makes of them, else null. */
function base45(text) {
  const rest = text.length % 3;
  if (rest === 1) return null;
  const bytes = new Uint8Array(((text.length - rest) / 3) * 2 + (rest === 2 ? 1 : 0));
  let to = 0;
  for (let at = 0; at < text.length; at += 3) {
    const size = Math.min(3, text.length - at);
    let value = 0;
    for (let back = size - 1; back >= 0; back -= 1) {
      const character = text.charCodeAt(at + back);
      const digit = character < 128 ? VALUES[character] : -1;
      if (digit < 0) return null;
      value = value * 45 + digit;
    }
    if (value > (size === 3 ? 0xffff : 0xff)) return null;
    if (size === 3) bytes[to++] = value >> 8;
    bytes[to++] = value & 0xff;
  }
  return bytes;
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

function uuid(bytes, at) {
  let text = "";
  for (let place = 0; place < 16; place += 1) {
    if (place === 4 || place === 6 || place === 8 || place === 10) text += "-";
    text += HEX[bytes[at + place]];
  }
  return text;
}

/**
 * What a code says, before its signature is checked: null for any text that is not the one canonical form of a code.
 * Times are seconds since 1970.
 */
export function parseCode(text) {
  if (typeof text !== "string" || text.length !== CODE_CHARS || !text.startsWith(PREFIX)) return null;
  const bytes = base45(text.slice(PREFIX.length));
  if (bytes === null || bytes.length !== CODE_BYTES || bytes[0] !== 1) return null;
  const view = new DataView(bytes.buffer);
  const seconds = (at) => bytes[at] * 2 ** 32 + view.getUint32(at + 1);
  return {
    key: view.getUint16(1),
    ticketId: uuid(bytes, 3),
    eventId: uuid(bytes, 19),
    ticketTypeId: uuid(bytes, 35),
    validFrom: seconds(51),
    validUntil: seconds(56),
    issue: view.getUint32(61),
    claims: bytes.subarray(0, CLAIMS_BYTES),
    signature: bytes.subarray(CLAIMS_BYTES),
  };
}

/** What does not hold here is told as a `DoorError` by `readable`. */
function check(holds, about) {
  if (!holds) throw new TypeError(about);
}

/** What `read` gives; whatever it stumbles over is a `DoorError` of this code. */
async function readable(code, read) {
  try {
    return await read();
  } catch (error) {
    throw new DoorError(code, String(error?.message ?? error));
  }
}

const isText = (value) => typeof value === "string";
const isId = (value) => isText(value) && ID.test(value);
const isTime = (value) => value === null || (isText(value) && !Number.isNaN(Date.parse(value)));

/**
 * The name of a gate as the server keeps it. What the server refuses (`CheckInRequest::gate`) is refused here too: one bad name
 * would hold up all scans that are told together with it.
 */
function gateName(gate) {
  if (gate === null) return null;
  // Not `trim`, which has another idea of white space.
  const name = isText(gate) ? gate.replace(/^\p{White_Space}+|\p{White_Space}+$/gu, "") : "";
  // Code points are counted. Halves of surrogate pairs are no JSON for the server.
  if (name === "" || [...name].length > GATE_CHARS || /(?![\t\n\r])[\p{Cc}\p{Cs}]/u.test(name)) {
    throw new DoorError("gate_invalid", `a gate has 1 to ${GATE_CHARS} characters, and no control characters`);
  }
  return name;
}

function base64(text) {
  check(isText(text), "a column is no text");
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at += 1) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

const columns = (text) => {
  const bytes = base64(text);
  return { bytes, view: new DataView(bytes.buffer) };
};

/** Columns that do not belong together are no bundle. */
function sameLength(of, ...others) {
  check(others.every((count) => count === of), "the columns have different lengths");
}

/** The column that `write` makes of rows, with so many bytes for each. */
function column(rows, size, write) {
  const view = new DataView(new ArrayBuffer(rows.length * size));
  rows.forEach((row, at) => write(view, at * size, row));
  let binary = "";
  for (const byte of new Uint8Array(view.buffer)) binary += String.fromCharCode(byte);
  return btoa(binary);
}

function writeId(view, at, id) {
  const hex = id.replaceAll("-", "");
  for (let place = 0; place < 16; place += 4) view.setUint32(at + place, parseInt(hex.slice(place * 2, place * 2 + 8), 16));
}

/** The pairs of a map in the order of their keys: the same knowledge makes the same snapshot. */
const sorted = (map) => [...map.keys()].sort().map((key) => [key, map.get(key)]);

/** A scan that is not told yet, by its list and ticket, and what `already_used` says of it. */
const waiting = (scan, ticketId) => [
  `${scan.listId}/${ticketId}`,
  { scan, at: Math.floor(Date.parse(scan.at) / 1000), gate: scan.gate ?? null },
];

/** A door of one event that answers without a network. */
export class Door {
  #event = null;
  #rules = null;
  /** By number: as the bundle has it, which can be kept, and as WebCrypto wants it. */
  #keys = new Map();
  #types = new Map();
  #lists = new Map();
  /** By ticket: the only issue that lets in, 0 for none. */
  #issues = new Map();
  /** By list and ticket: how it stands by what the server has told. */
  #entries = new Map();
  /** What was let in here and is not told yet, by list and ticket. */
  #pending = new Map();
  #cursor = null;
  /** When the server has told anything last, by the clock as it goes now. */
  #asOf = null;
  /** The last time that was seen on that clock. */
  #seenAt = null;
  /** All but the pending as the last snapshot has it, since an admission changes none of that; null where something has. */
  #written = null;
  #running = new Map();
  #subtle;
  #maxAgeSeconds;
  #now;
  #newId;

  /**
   * Opens a door. `maxAgeSeconds` is how old its bundle may be before it answers no more (no limit without), `now` gives
   * the time in milliseconds since 1970, `newId` a new UUID.
   *
   * Throws `ed25519_unsupported` where signatures cannot be checked.
   */
  static async open({ maxAgeSeconds = null, now = Date.now, newId = () => crypto.randomUUID() } = {}) {
    if (!(await isSupported())) {
      throw new DoorError("ed25519_unsupported", "this browser cannot check Ed25519 signatures: ask the server");
    }
    return new Door(crypto.subtle, maxAgeSeconds, now, newId);
  }

  /** Use `Door.open`. */
  constructor(subtle, maxAgeSeconds, now, newId) {
    this.#subtle = subtle;
    this.#maxAgeSeconds = maxAgeSeconds;
    this.#now = now;
    this.#newId = newId;
  }

  /** What to ask the server for next: null for the whole bundle. */
  get cursor() {
    return this.#cursor;
  }

  /** How many seconds ago the server has told anything, reloads included; null if it never did. */
  get ageSeconds() {
    return this.#event === null ? null : this.#age() / 1000;
  }

  /** By how much a clock was set back, `#asOf` is set back too: nothing gets younger by that. */
  #age() {
    const now = this.#now();
    if (now < this.#seenAt) this.#asOf -= this.#seenAt - now;
    this.#seenAt = now;
    return now - this.#asOf;
  }

  /** The server has answered 304: what is known is as it is there. */
  confirmed() {
    if (this.#event !== null) this.#asOf = this.#seenAt = this.#now();
  }

  /**
   * Takes over a bundle that the server has answered just now, since its age counts from here: a whole one, or what is new
   * behind `cursor`. True if there is more to be asked for at once.
   *
   * Throws `bundle_unknown_format`, `bundle_foreign` or `bundle_malformed`, and then nothing has changed.
   */
  async update(bundle) {
    if (bundle?.format !== FORMAT) throw new DoorError("bundle_unknown_format", "this program is too old for the bundle");
    const read = await readable("bundle_malformed", () => this.#read(bundle));
    if (this.#event !== null && this.#event !== read.event) {
      throw new DoorError("bundle_foreign", "the bundle is of another event");
    }
    this.#take(read);
    this.confirmed();
    return bundle.more;
  }

  /** What a bundle says, or what a snapshot has of bundles. Throws whatever it stumbles over, and changes nothing. */
  async #read(bundle) {
    const { eventId, cancelled, validFrom, validUntil, ticketTypes, lists, gates, cursor } = bundle;
    check(isId(eventId) && isText(cursor) && gates.every(isText), "no event, cursor or gates");
    check(typeof cancelled === "boolean" && [validFrom, validUntil].every(Number.isFinite), "no rules");
    check(ticketTypes.every(({ id, name }) => isId(id) && isText(name)), "crooked ticket types");
    for (const { id, entry, from, until, ticketTypeIds } of lists) {
      check(isId(id) && isText(entry) && isTime(from) && isTime(until) && ticketTypeIds.every(isId), "a crooked list");
    }
    const keys = new Map();
    for (const { number, key: raw } of bundle.keys) {
      check(Number.isInteger(number), "a key without a number");
      const key = await this.#subtle.importKey("raw", base64(raw), { name: "Ed25519" }, false, ["verify"]);
      keys.set(number, { raw, key });
    }
    const issues = [];
    const tickets = { ids: base64(bundle.tickets.ids), issues: columns(bundle.tickets.issues) };
    const count = tickets.ids.length / 16;
    sameLength(count, tickets.issues.bytes.length / 4);
    for (let at = 0; at < count; at += 1) issues.push([uuid(tickets.ids, at * 16), tickets.issues.view.getUint32(at * 4)]);
    const entries = [];
    for (const list of bundle.entries) {
      check(isId(list.listId), "entries of no list");
      const [ids, times, places, states] = [list.ids, list.times, list.gates, list.states].map(columns);
      const size = ids.bytes.length / 16;
      sameLength(size, times.bytes.length / 4, places.bytes.length / 2, states.bytes.length);
      for (let at = 0; at < size; at += 1) {
        const entry = {
          at: times.view.getUint32(at * 4),
          gate: gates[places.view.getUint16(at * 2) - 1] ?? null,
          out: states.bytes[at] === 2,
        };
        entries.push([`${list.listId}/${uuid(ids.bytes, at * 16)}`, states.bytes[at] === 0 ? null : entry]);
      }
    }
    return {
      event: eventId,
      rules: { cancelled, from: validFrom, until: validUntil },
      keys,
      types: new Map(ticketTypes.map(({ id, name }) => [id, name])),
      lists: new Map(lists.map((list) => [list.id, list])),
      issues,
      entries,
      cursor,
    };
  }

  #take({ event, rules, keys, types, lists, issues, entries, cursor }) {
    this.#written = null;
    this.#event = event;
    this.#rules = rules;
    this.#keys = keys;
    this.#types = types;
    this.#lists = lists;
    for (const [ticket, issue] of issues) this.#issues.set(ticket, issue);
    for (const [key, entry] of entries) {
      if (entry === null) this.#entries.delete(key);
      else this.#entries.set(key, entry);
    }
    this.#cursor = cursor;
  }

  /** The lists by which one may enter here, as the bundle has them. */
  get lists() {
    return [...this.#lists.values()];
  }

  /**
   * Judges a code and lets nobody in. The answer is that of the server: `result`, and `ticket`, `firstAdmittedAt` and `gate`
   * where it tells them. The signature of a code of another event cannot be checked here: `wrong_event` is what it says
   * itself.
   *
   * Throws `bundle_missing` before the first bundle, `bundle_too_old` behind `maxAgeSeconds`, and `list_unknown`.
   */
  async judge(code, { listId = this.#event } = {}) {
    const list = this.#list(listId);
    const claims = parseCode(code);
    if (claims === null) return { result: "invalid" };
    if (claims.eventId !== this.#event) return { result: "wrong_event" };
    const known = this.#keys.get(claims.key);
    if (known === undefined) return { result: "invalid" };
    const holds = await this.#subtle.verify({ name: "Ed25519" }, known.key, claims.signature, claims.claims);
    if (!holds) return { result: "invalid" };
    return this.#decided(claims, list);
  }

  /**
   * Judges a code, and lets in with it where that is the answer: from then on the ticket is used here, and the entry waits to
   * be told. Of calls at the same time one lets in. `gate` says where this is.
   *
   * Throws what `judge` throws, and `gate_invalid` for a gate that the server would refuse.
   */
  async admit(code, { listId = this.#event, gate = null } = {}) {
    const place = gateName(gate);
    // One after the other for each code, so that nothing happens between the decision and its note.
    const before = this.#running.get(code) ?? Promise.resolve();
    const mine = before.then(() => this.#admitNow(code, listId, place));
    const settled = mine.then(() => {}, () => {});
    this.#running.set(code, settled);
    try {
      return await mine;
    } finally {
      if (this.#running.get(code) === settled) this.#running.delete(code);
    }
  }

  async #admitNow(code, listId, gate) {
    const judged = await this.judge(code, { listId });
    if (judged.result !== "admitted") return judged;
    // Another issue of the same ticket may have been let in while the signature was checked.
    const again = this.#decided(parseCode(code), this.#list(listId));
    if (again.result !== "admitted") return again;
    const at = new Date(this.#now()).toISOString();
    const scan = { id: this.#newId(), code, listId, at, ...(gate === null ? {} : { gate }) };
    this.#pending.set(...waiting(scan, again.ticket.id));
    return { ...again, checkInId: scan.id, firstAdmittedAt: scan.at, gate };
  }

  #list(listId) {
    if (this.#event === null) throw new DoorError("bundle_missing", "this door has no bundle yet");
    if (this.#maxAgeSeconds !== null && this.ageSeconds > this.#maxAgeSeconds) {
      throw new DoorError("bundle_too_old", "the bundle is too old: ask the server for what is new");
    }
    const list = this.#lists.get(listId);
    if (list === undefined) throw new DoorError("list_unknown", "there is no such check-in list");
    return list;
  }

  /** In the order of the server. */
  #decided(claims, list) {
    const ticket = {
      id: claims.ticketId,
      ticketTypeId: claims.ticketTypeId,
      ticketTypeName: this.#types.get(claims.ticketTypeId) ?? null,
    };
    const issue = this.#issues.get(claims.ticketId);
    // A higher issue is newer than the bundle.
    if (issue === BLOCKED) return { result: "blocked", ticket };
    if (issue === 0 || claims.issue < (issue ?? 1)) return { result: "revoked", ticket };
    if (list.ticketTypeIds.length > 0 && !list.ticketTypeIds.includes(claims.ticketTypeId)) {
      return { result: "not_on_list", ticket };
    }
    const key = `${list.id}/${claims.ticketId}`;
    const here = this.#pending.get(key);
    const entry = here ?? this.#entries.get(key);
    if (entry !== undefined && (list.entry !== "re_entry" || !entry.out)) {
      return { result: "already_used", ticket, firstAdmittedAt: new Date(entry.at * 1000).toISOString(), gate: entry.gate };
    }
    const now = this.#now();
    const seconds = Math.floor(now / 1000);
    const open = seconds >= this.#rules.from && seconds < this.#rules.until && !this.#rules.cancelled;
    const early = list.from !== null && now < Date.parse(list.from);
    const late = list.until !== null && now >= Date.parse(list.until);
    if (!open || early || late) return { result: "not_valid_now", ticket };
    return { result: "admitted", ticket };
  }

  /** The body of the next request to `…/check-ins/sync`: the oldest scans that were not told yet; null where there is none. */
  pending() {
    const scans = [...this.#pending.values()].slice(0, SCANS_MAX).map(({ scan }) => scan);
    return scans.length === 0 ? null : { sentAt: new Date(this.#now()).toISOString(), scans };
  }

  /**
   * Takes over what the server has answered to `pending`. Scans that it has not named stay. The entries count here until a
   * bundle says otherwise. Gives the scans that somebody should look at: those with a flag, and those that it refused.
   */
  synced(report) {
    this.#written = null;
    const told = new Map(report.scans.map((scan) => [scan.id, scan]));
    for (const [key, { scan, at, gate }] of this.#pending) {
      const answer = told.get(scan.id);
      if (answer === undefined) continue;
      this.#pending.delete(key);
      const known = this.#entries.get(key);
      if (answer.result === "admitted" && (known === undefined || known.out)) this.#entries.set(key, { at, gate, out: false });
    }
    return report.scans.filter((scan) => scan.result !== "admitted" || scan.flag !== undefined);
  }

  /**
   * All that is known here as JSON, to be kept where a reload does not lose it, anew whenever something has changed: by
   * `admit`, `synced`, `update` or `confirmed`. Null before the first bundle.
   */
  snapshot() {
    if (this.#event === null) return null;
    this.#age();
    return {
      format: SNAPSHOT_FORMAT,
      asOf: this.#asOf,
      seenAt: this.#seenAt,
      known: (this.#written ??= this.#known()),
      pending: [...this.#pending.values()].map(({ scan }) => scan),
    };
  }

  /** What the server has told and what it was told, written as one whole bundle. */
  #known() {
    const issues = sorted(this.#issues);
    const gates = new Map();
    const entries = new Map();
    for (const [key, { at, gate, out }] of sorted(this.#entries)) {
      const [listId, ticketId] = key.split("/");
      // A place has two bytes; who entered at a gate behind that has no gate.
      if (gate !== null && !gates.has(gate) && gates.size < 0xffff) gates.set(gate, gates.size + 1);
      if (!entries.has(listId)) entries.set(listId, []);
      entries.get(listId).push({ ticketId, at, place: gates.get(gate) ?? 0, state: out ? 2 : 1 });
    }
    return {
      eventId: this.#event,
      cancelled: this.#rules.cancelled,
      validFrom: this.#rules.from,
      validUntil: this.#rules.until,
      keys: [...this.#keys].map(([number, { raw }]) => ({ number, key: raw })),
      ticketTypes: [...this.#types].map(([id, name]) => ({ id, name })),
      lists: this.lists,
      tickets: {
        ids: column(issues, 16, (view, at, [ticket]) => writeId(view, at, ticket)),
        issues: column(issues, 4, (view, at, [, issue]) => view.setUint32(at, issue)),
      },
      gates: [...gates.keys()],
      entries: [...entries].map(([listId, rows]) => ({
        listId,
        ids: column(rows, 16, (view, at, row) => writeId(view, at, row.ticketId)),
        times: column(rows, 4, (view, at, row) => view.setUint32(at, row.at)),
        gates: column(rows, 2, (view, at, row) => view.setUint16(at, row.place)),
        states: column(rows, 1, (view, at, row) => view.setUint8(at, row.state)),
      })),
      cursor: this.#cursor,
    };
  }

  /**
   * Takes over a snapshot, as the first thing that a door is told: no bundle and no network is needed for it, and its age
   * counts on. What is new since can be asked for by its `cursor`.
   *
   * Throws `snapshot_unknown_format`, `snapshot_malformed`, or `door_in_use` where there is a bundle already, and then nothing
   * has changed.
   */
  async restore(snapshot) {
    if (snapshot?.format !== SNAPSHOT_FORMAT) {
      throw new DoorError("snapshot_unknown_format", "this program does not know such snapshots");
    }
    const { asOf, seenAt } = snapshot;
    const { known, pending } = await readable("snapshot_malformed", async () => {
      check([asOf, seenAt].every(Number.isFinite) && asOf <= seenAt, "no age");
      const scans = snapshot.pending.map(({ id, code, listId, at, gate = null }) => {
        const claims = parseCode(code);
        check(isId(id) && isId(listId) && claims?.eventId === snapshot.known.eventId, "a scan of something else");
        check(new Date(at).toISOString() === at && gateName(gate) === gate, "a scan that the server would refuse");
        return waiting({ id, code, listId, at, ...(gate === null ? {} : { gate }) }, claims.ticketId);
      });
      check(new Map(scans).size === scans.length, "a ticket was let in twice");
      return { known: await this.#read(snapshot.known), pending: new Map(scans) };
    });
    // Here and not before: a bundle may have come while keys were imported.
    if (this.#event !== null) throw new DoorError("door_in_use", "this door has a bundle already");
    this.#take(known);
    this.#pending = pending;
    this.#asOf = asOf;
    this.#seenAt = seenAt;
  }
}
