// Which packages a bundle is made of, and the licences that ship with it.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** The packages that modules of a bundle come from, sorted; ours are those under `own`. */
export function packagesOf(modules, own) {
  const names = new Set();
  for (const module of modules.map(slashed)) {
    // What the bundler itself adds, or what comes from a package.
    const found = /^\0(rolldown)\//.exec(module) ?? /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(module);
    if (found) names.add(found[1]);
    // Another bundler's helpers, say: somebody wrote them, too.
    else if (!module.startsWith(slashed(own))) throw new Error(`Whose code is ${module}? The bundle has it.`);
  }
  return [...names].sort();
}

/** The text that ships: of each package its version, its licence and, where it has one, its notice. */
export function licencesOf(names, nodeModules) {
  return names.map((name) => licenceOf(name, join(nodeModules, name))).join("\n----------\n\n");
}

function licenceOf(name, home) {
  const { version, license } = JSON.parse(readFileSync(join(home, "package.json"), "utf8"));
  const files = readdirSync(home).sort();
  const texts = ["licen[cs]e|copying", "notice"].map((word) =>
    files.filter((file) => new RegExp(`^(${word})`, "i").test(file)),
  );
  if (!license || !texts[0].length) throw new Error(`${name} is in the bundle and has no licence to ship.`);
  const content = texts.flat().map((file) => readFileSync(join(home, file), "utf8"));
  return [`${name} ${version} (${license})\n`, ...content].join("\n");
}

/** A path as it is written everywhere but on Windows. */
function slashed(path) {
  return path.replaceAll("\\", "/");
}
