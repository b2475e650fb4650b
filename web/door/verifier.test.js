// node --test web/door/verifier.test.js, with the fixture of crates/testkit/tests/rest/door_offline.rs in DOOR_FIXTURE.

import { readFileSync } from "node:fs";
import { test } from "node:test";

import { cases } from "./cases.js";

const fixture = JSON.parse(readFileSync(process.env.DOOR_FIXTURE, "utf8"));
for (const [name, run] of cases(fixture)) test(name, run);
