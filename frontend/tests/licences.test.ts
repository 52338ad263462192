// Which licences ship with the bundle.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { licencesOf, packagesOf } from "../scripts/licences.mjs";

const folder = mkdtempSync(join(tmpdir(), "licences-"));
afterAll(() => rmSync(folder, { recursive: true }));

function install(name: string, files: Record<string, string>): void {
  const home = join(folder, name);
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, "package.json"), JSON.stringify({ version: "1.2.3", license: "MIT" }));
  for (const [file, text] of Object.entries(files)) writeFileSync(join(home, file), text);
}

test("packages are those that modules come from, the innermost of nested ones", () => {
  const home = "/panel/node_modules";
  const modules = ["/panel/src/index.ts", `${home}/lit/index.js`, `${home}/lit/html.js`];
  const nested = [`${home}/lit/node_modules/@lit/other/index.js`];
  expect(packagesOf([...modules, ...nested], "/panel/src/")).toEqual(["@lit/other", "lit"]);
  expect(packagesOf(["\0rolldown/runtime.js"], "/panel/src/")).toEqual(["rolldown"]);
});

test("a module that is nobody's stops the build", () => {
  expect(() => packagesOf(["\0bundler/helper.js"], "/panel/src/")).toThrow("Whose code is");
});

test("each package has its version, its licence and its notice", () => {
  install("@lit/one", { "LICENSE.md": "One may.", "NOTICE.txt": "By one." });
  install("two", { licence: "Two may." });
  expect(licencesOf(["@lit/one", "two"], folder)).toBe(
    "@lit/one 1.2.3 (MIT)\n\nOne may.\nBy one.\n----------\n\ntwo 1.2.3 (MIT)\n\nTwo may.",
  );
});

test("a bundled package without a licence stops the build", () => {
  install("bare", { "README.md": "Take it." });
  expect(() => licencesOf(["bare"], folder)).toThrow("bare is in the bundle and has no licence");
});
