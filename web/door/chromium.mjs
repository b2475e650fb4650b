// Runs the cases of the verifier in Chromium, or measures it there:
//
//   node web/door/chromium.mjs cases FIXTURE.json
//   node web/door/chromium.mjs measure [CODES]
//
// A page on loopback runs them and sends what it found. CHROMIUM names the program, else `chromium` is meant. Ends with 1
// where a case failed, or nothing was heard within two minutes.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

const here = new URL(".", import.meta.url);
const [what, argument] = process.argv.slice(2);
const DEADLINE_MS = 120_000;

const pages = {
  cases: `const { cases } = await import("/cases.js");
    const fixture = await (await fetch("/fixture.json")).json();
    const found = [];
    for (const [name, run] of cases(fixture)) {
      try { await run(); found.push({ name }); } catch (error) { found.push({ name, error: String(error) }); }
    }
    await fetch("/found", { method: "POST", body: JSON.stringify({ engine: navigator.userAgent, found }) });`,
  measure: `const { measure } = await import("/measure.js");
    const result = await measure(Number(new URLSearchParams(location.search).get("codes")));
    await fetch("/found", { method: "POST", body: JSON.stringify({ engine: navigator.userAgent, ...result }) });`,
};
const page = pages[what];
if (page === undefined) {
  console.error("usage: node web/door/chromium.mjs cases FIXTURE.json | measure [CODES]");
  process.exit(2);
}

const text = { "content-type": "text/javascript", "cache-control": "no-store" };
let heard;
const report = new Promise((resolve) => (heard = resolve));
const server = createServer((request, response) => {
  const { pathname } = new URL(request.url, "http://127.0.0.1");
  if (pathname === "/") {
    response.writeHead(200, { "content-type": "text/html" });
    response.end(`<!doctype html><title>The door</title><script type="module">
      try { ${page} } catch (error) { await fetch("/found", { method: "POST", body: JSON.stringify({ error: String(error) }) }); }
    </script>`);
  } else if (pathname === "/found" && request.method === "POST") {
    let body = "";
    request.on("data", (part) => (body += part));
    request.on("end", () => {
      response.end();
      heard(JSON.parse(body));
    });
  } else if (pathname === "/fixture.json" && what === "cases") {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(readFileSync(argument));
  } else if (["/verifier.js", "/cases.js", "/measure.js"].includes(pathname)) {
    response.writeHead(200, text);
    response.end(readFileSync(new URL(`.${pathname}`, here)));
  } else {
    response.writeHead(404);
    response.end();
  }
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

const profile = await mkdtemp(join(tmpdir(), "door-chromium-"));
const codes = what === "measure" ? `?codes=${Number(argument ?? 20_000)}` : "";
const address = `http://127.0.0.1:${server.address().port}/${codes}`;
const options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"];
const browser = spawn(process.env.CHROMIUM ?? "chromium", [...options, `--user-data-dir=${profile}`, address], {
  stdio: ["ignore", "ignore", "pipe"],
});
let said = "";
browser.stderr.on("data", (part) => (said = (said + part).slice(-4_000)));
const ended = new Promise((resolve) => {
  browser.once("error", (error) => resolve({ error: `Chromium does not start: ${error.message}` }));
  browser.once("exit", (code) => resolve({ error: `Chromium ended with ${code}: ${said}` }));
});
let timer;
const late = new Promise((resolve) => (timer = setTimeout(resolve, DEADLINE_MS, { error: `nothing was heard: ${said}` })));
const result = await Promise.race([report, ended, late]);
clearTimeout(timer);
browser.kill("SIGTERM");
await ended;
server.close();
server.closeAllConnections();
await rm(profile, { recursive: true, force: true, maxRetries: 10 });

if (result.error !== undefined) {
  console.error(result.error);
  process.exit(1);
}
if (what === "measure") {
  console.log(JSON.stringify(result, null, 2));
} else {
  const failed = result.found.filter(({ error }) => error !== undefined);
  for (const { name, error } of failed) console.error(`${name}: ${error}`);
  console.log(`${result.found.length - failed.length} of ${result.found.length} cases passed in ${result.engine}`);
  process.exit(failed.length === 0 && result.found.length > 0 ? 0 : 1);
}
