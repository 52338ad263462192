// After the bundle: minify it once more, compress it as it is sent, ship the licences, list what may
// be served, hold the size budget.
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import zopfli from "@gfx/zopfli";
import { minify } from "terser";
import { licencesOf, packagesOf } from "./licences.mjs";

const BUDGET_BYTES = 62_000;
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const OUT = here("../../tb_mmx_plugin/static/");
const SOURCES = here("../src/");
const TYPES = { ".js": "text/javascript", ".txt": "text/plain" };

// Each build has left a list of what went into it.
const lists = ["panel", "worker"].map((build) => join(OUT, `${build}.modules.json`));
const modules = lists.flatMap((list) => JSON.parse(readFileSync(list, "utf8")));
lists.forEach((list) => rmSync(list));
writeFileSync(join(OUT, "LICENSES.txt"), licencesOf(packagesOf(modules, SOURCES), here("../node_modules/")));

// What the bundler's own minifier leaves, terser makes a kilobyte smaller.
const SMALLER = {
  module: true,
  toplevel: true,
  ecma: 2020,
  compress: { passes: 6, keep_fargs: false, unsafe: true, unsafe_arrows: true, pure_getters: true },
  mangle: { properties: { regex: new RegExp(`^(_\\$.*|${privateNames().join("|")})$`) } },
};
for (const name of readdirSync(OUT).filter((file) => file.endsWith(".js"))) {
  const { code } = await minify(readFileSync(join(OUT, name), "utf8"), SMALLER);
  // Lines are left only in templates of markup and styles, where any space will do.
  writeFileSync(join(OUT, name), code.replaceAll("\n", " "));
}

/** Besides lit's own (`_$`): members that TypeScript keeps private, and that occur as nothing else, not even in a string: with
 * another name nobody would miss them. */
function privateNames() {
  const source = readdirSync(SOURCES, { recursive: true })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => readFileSync(join(SOURCES, file), "utf8").replace(/^\s*(\/\/|\/?\*).*$/gm, ""))
    .join("\n");
  const declared = "private (?:(?:static|readonly|async|get|set) )*";
  const names = new Set([...source.matchAll(new RegExp(`${declared}(\\w+)`, "g"))].map((match) => match[1]));
  const count = (pattern) => [...source.matchAll(new RegExp(pattern, "g"))].length;
  return [...names].filter((name) => count(`\\b${name}\\b`) === count(`(?:\\bthis\\.|${declared})${name}\\b`));
}

const files = {};
let gzipped = 0;
for (const name of readdirSync(OUT).sort()) {
  const type = TYPES[name.slice(name.lastIndexOf("."))];
  if (!type) continue;
  files[name] = type;
  if (!name.endsWith(".js")) continue;
  // Two kilobytes less than the server's own compression leaves; the server sends these bytes.
  const packed = await zopfli.gzipAsync(readFileSync(join(OUT, name)), { numiterations: 60, blocksplittingmax: 0 });
  writeFileSync(join(OUT, `${name}.gz`), packed);
  const size = packed.length;
  gzipped += size;
  console.log(`${name}: ${(size / 1000).toFixed(1)} kB gzipped`);
}
writeFileSync(join(OUT, "manifest.json"), JSON.stringify({ files }, null, 2) + "\n");

console.log(`panel: ${(gzipped / 1000).toFixed(1)} of ${BUDGET_BYTES / 1000} kB gzipped`);
if (gzipped > BUDGET_BYTES) {
  console.error("The panel is over its size budget.");
  process.exit(1);
}
