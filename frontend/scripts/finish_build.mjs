// After the bundle: ship the licences, list what may be served, hold the size budget.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const BUDGET_BYTES = 60_000;
const OUT = new URL("../../tb_mmx_plugin/static/", import.meta.url).pathname;
const BUNDLED = ["lit", "lit-html", "lit-element", "@lit/reactive-element"];
const TYPES = { ".js": "text/javascript", ".txt": "text/plain" };

const licences = BUNDLED.map((name) => {
  const home = new URL(`../node_modules/${name}/`, import.meta.url).pathname;
  const { version, license } = JSON.parse(readFileSync(join(home, "package.json"), "utf8"));
  return `${name} ${version} (${license})\n\n${readFileSync(join(home, "LICENSE"), "utf8")}`;
});
writeFileSync(join(OUT, "LICENSES.txt"), licences.join("\n----------\n\n"));

const files = {};
let gzipped = 0;
for (const name of readdirSync(OUT).sort()) {
  const type = TYPES[name.slice(name.lastIndexOf("."))];
  if (!type) continue;
  files[name] = type;
  if (!name.endsWith(".js")) continue;
  const size = gzipSync(readFileSync(join(OUT, name))).length;
  gzipped += size;
  console.log(`${name}: ${(size / 1000).toFixed(1)} kB gzipped`);
}
writeFileSync(join(OUT, "manifest.json"), JSON.stringify({ files }, null, 2) + "\n");

console.log(`panel: ${(gzipped / 1000).toFixed(1)} of ${BUDGET_BYTES / 1000} kB gzipped`);
if (gzipped > BUDGET_BYTES) {
  console.error("The panel is over its size budget.");
  process.exit(1);
}
