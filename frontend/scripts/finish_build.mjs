// After the bundles: compress them as they are sent, ship the licences, list what may be served, hold the
// size budgets.
import { readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { gzipAsync } from "@gfx/zopfli";
import { licencesOf, packagesOf } from "./licences.mjs";

/** As sent: gzipped. */
const FIRST_VIEW_BYTES = 60_000;
const PART_BYTES = 15_000;
/** All that a first view loads by itself; tests/browser/test_parts.py holds that there is no other. "behind" is
 * drawn behind the first heatmap. */
const FIRST_VIEW = ["index", "worker", "behind", "rolldown-runtime"];
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
for (const name of readdirSync(OUT).sort()) {
  const type = TYPES[name.slice(name.lastIndexOf("."))];
  if (!type) continue;
  files[name] = type;
  if (!name.endsWith(".js")) continue;
  const isFirst = FIRST_VIEW.includes(name.split(".")[0]);
  // Packed once, and better than the server would each time; it sends these bytes.
  const content = readFileSync(join(OUT, name));
  const packed = isFirst ? await gzipAsync(content, { numiterations: 5 }) : gzipSync(content, { level: 9, memLevel: 9 });
  writeFileSync(join(OUT, `${name}.gz`), packed);
  console.log(`${name}: ${kilobytes(packed.length)} kB gzipped`);
  if (isFirst) first += packed.length;
  else if (name !== STANDALONE && packed.length > PART_BYTES) over.push(name);
}
writeFileSync(join(OUT, "manifest.json"), JSON.stringify({ files }, null, 2) + "\n");

console.log(`first view, all that it loads: ${kilobytes(first)} of ${FIRST_VIEW_BYTES / 1000} kB gzipped`);
if (first > FIRST_VIEW_BYTES) over.push("the first view");
if (over.length) {
  console.error(`Over the size budget: ${over.join(", ")}.`);
  process.exit(1);
}
