import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** Templates of styles and markup need no indentation, styles no spaces but those between words;
 * nothing else of ours spans lines. Text is as large as the reader has set it: its sizes become rem. */
const unindented = {
  name: "unindented",
  enforce: "pre" as const,
  transform: (code: string, id: string) => {
    if (/\/@?lit[-/]/.test(id)) return needed(code);
    if (!id.includes("/frontend/src/") || !/\b(css|html)`/.test(code)) return undefined;
    return code.replace(/\n\s+/g, "\n").replace(/css`[^`]*`/g, unspaced);
  },
};

/** Of lit: without decorators, polyfills for browsers older than the target, and what it says to those
 * who write styles of no literals, or render on a server: nothing of ours. */
function needed(code: string): string {
  return code
    .replace(/Error\("Value passed.*?security\."\)/s, "Error()")
    .replace(/=\w+\.ShadowRoot&&.*?CSSStyleSheet\.prototype/, "=!0")
    .replace(/\{M:\w+,P:.*?(I:\w+),.*?\}(?=,)/, "{$1}")
    .replace(/Symbol\.metadata\?\?=.*?new WeakMap;|const \w+=this\[Symbol\.metadata\];if\([^{]*\{[^}]*\}/g, "")
    .replace(/\w+\.\w+(Polyfill|Hydrate)Support/g, "(void 0)")
    .replace(/\(\w+\.\w+Versions\?\?=\[\]\)\.push\(.*?\)/g, "0");
}

function unspaced(style: string): string {
  const bare = style.replace(/\/\*.*?\*\//gs, "").replace(/([{};,`])\n\s*/g, "$1").replace(/([:,]) /g, "$1");
  const scaled = bare.replace(/(?:font(?:-size)?|line-height):[^;}]*/g, inRem);
  return scaled.replaceAll(" {", "{").replaceAll(";}", "}").replace(/([ :,(])0\./g, "$1.");
}

function inRem(declaration: string): string {
  return declaration.replace(/([\d.]+)px/g, (_, pixels: string) => `${Number(pixels) / 16}rem`);
}

/** What the minifier has heeded, it leaves. */
const unannotated: Plugin = {
  name: "unannotated",
  generateBundle(_, bundle) {
    for (const file of Object.values(bundle)) if (file.type === "chunk") file.code = file.code.replaceAll("/* @__PURE__ */ ", "");
  },
};

/** Writes down what a build is made of; scripts/finish_build.mjs ships the licences that go with it. */
const listed = (build: string): Plugin => ({
  name: "listed",
  generateBundle(_, bundle) {
    const modules = Object.values(bundle).flatMap((file) => (file.type === "chunk" ? Object.keys(file.modules) : []));
    this.emitFile({ type: "asset", fileName: `${build}.modules.json`, source: JSON.stringify(modules) });
  },
});

/** Of all that the panel is made of: a part's name says which panel it belongs to, so that a page opened
 * before an update is told, and gets no part that was made for another. */
function sourcesVersion(): string {
  const digest = createHash("sha256").update(readFileSync("package-lock.json")).update(readFileSync("../docs/glossary.md"));
  for (const file of readdirSync("src", { recursive: true, encoding: "utf8" }).sort()) {
    if (file.endsWith(".ts")) digest.update(readFileSync(`src/${file}`));
  }
  return digest.digest("hex").slice(0, 8);
}

/** Four builds. The panel: what the first view needs, and parts that are loaded when asked for. The
 * worker: one module, since TensorBoard's policy forbids blob: workers. And all in one module, for
 * pages that have no server, and with VS Code's host for its webview. TensorBoard serves index.js from one folder and all others from `static/`. */
const BUILDS: Record<string, { input: string; entry: string }> = {
  panel: { input: "src/index.ts", entry: "index.js" },
  worker: { input: "src/data/worker.ts", entry: "worker.js" },
  standalone: { input: "src/index.ts", entry: "standalone.js" },
  vscode: { input: "src/vscode.ts", entry: "panel.js" },
};

/** The entry; and what words/behind.ts is made of, in one part: in several it would be packed less well. */
const GROUPS = [
  { name: "first", test: /src\/index\.ts$/ },
  { name: "behind", test: /src\/(words\/(behind|candidate\w*|sentence\w*|used|where)|pixels\/resize)\.ts$/ },
];

export default defineConfig(({ mode }) => {
  const { input, entry } = BUILDS[mode] ?? BUILDS.panel!;
  return {
    plugins: [unindented, unannotated, listed(mode)],
    build: {
      outDir: mode === "vscode" ? "../vscode/media" : "../tb_mmx_plugin/static",
      emptyOutDir: mode === "panel",
      target: "es2022",
      // No page of ours needs Vite's own loader of parts.
      lib: { entry: input, formats: ["es" as const], fileName: () => entry },
      rolldownOptions: {
        // Parts take what they share with the first view from the entry itself.
        preserveEntrySignatures: "allow-extension" as const,
        output: {
          format: "es" as const,
          minify: true,
          entryFileNames: entry,
          chunkFileNames: `static/[name].${sourcesVersion()}.js`,
          codeSplitting: mode === "panel" && { groups: GROUPS },
        },
      },
    },
    test: { include: ["tests/**/*.test.ts"], environment: "node" },
  };
});
