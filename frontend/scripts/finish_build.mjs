// After the bundles: compress them as they are sent, ship the licences, list what may be served, hold the
// size budgets.
import { readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { licencesOf, packagesOf } from "./licences.mjs";

/** Gzipped. */
const FIRST_VIEW_BYTES = 60_000;
const PART_BYTES = 15_000;
const FIRST_VIEW = ["index.js", "worker.js"];
/** Drawn behind the first heatmap; tests/browser/test_parts.py holds that there is no other. */
const BEHIND = ["candidates", "directions", "sentence", "sentence_line", "used", "where"];
/** All of it in one module: only ever sent to be saved. */
const STANDALONE = "standalone.js";
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const OUT = here("../../tb_mmx_plugin/static/");
const TYPES = { ".js": "text/javascript", ".txt": "text/plain" };

// Each build has left a list of what went into it.
const lists = ["panel", "worker", "standalone"].map((build) => join(OUT, `${build}.modules.json`));
const modules = lists.flatMap((list) => JSON.parse(readFileSync(list, "utf8")));
lists.forEach((list) => rmSync(list));
writeFileSync(join(OUT, "LICENSES.txt"), licencesOf(packagesOf(modules, here("../../")), here("../node_modules/")));

// The parts' addresses are already those that they are served from.
for (const name of readdirSync(join(OUT, "static"))) renameSync(join(OUT, "static", name), join(OUT, name));
rmSync(join(OUT, "static"), { recursive: true });

const kilobytes = (bytes) => (bytes / 1000).toFixed(1);
const files = {};
const over = [];
let first = 0;
let behind = 0;
for (const name of readdirSync(OUT).sort()) {
  const type = TYPES[name.slice(name.lastIndexOf("."))];
  if (!type) continue;
  files[name] = type;
  if (!name.endsWith(".js")) continue;
  // Packed once, and better than the server would each time; it sends these bytes.
  const packed = gzipSync(readFileSync(join(OUT, name)), { level: 9, memLevel: 9 });
  writeFileSync(join(OUT, `${name}.gz`), packed);
  console.log(`${name}: ${kilobytes(packed.length)} kB gzipped`);
  if (FIRST_VIEW.includes(name)) first += packed.length;
  if (BEHIND.includes(name.split(".")[0])) behind += packed.length;
  if (!FIRST_VIEW.includes(name) && name !== STANDALONE && packed.length > PART_BYTES) over.push(name);
}
writeFileSync(join(OUT, "manifest.json"), JSON.stringify({ files }, null, 2) + "\n");

console.log(`behind the first heatmap, for sentence and predictions: ${kilobytes(behind)} kB gzipped`);
console.log(`first view, to the first heatmap: ${kilobytes(first)} of ${FIRST_VIEW_BYTES / 1000} kB gzipped`);
if (first > FIRST_VIEW_BYTES) over.push("the first view");
if (over.length) {
  console.error(`Over the size budget: ${over.join(", ")}.`);
  process.exit(1);
}
