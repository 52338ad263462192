import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** Templates of styles and markup need no indentation, styles no spaces but those between words;
 * nothing else of ours spans lines. */
const unindented = {
  name: "unindented",
  enforce: "pre" as const,
  transform: (code: string, id: string) => {
    if (/\/@?lit[-/]/.test(id)) return needed(code);
    if (!id.includes("/frontend/src/") || !/\b(css|html)`/.test(code)) return undefined;
    return code.replace(/\n\s+/g, "\n").replaceAll(" />", ">").replace(/css`[^`]*`/g, unspaced);
  },
};

/** Of lit: without decorators, polyfills for browsers older than the target, and what it says to those
 * who write styles of no literals, none of which are ours. */
function needed(code: string): string {
  return code
    .replace(/Error\("Value passed.*?security\."\)/s, "Error()")
    .replace(/=\w+\.ShadowRoot&&.*?CSSStyleSheet\.prototype/, "=!0")
    .replace(/Symbol\.metadata\?\?=.*?new WeakMap;|const \w+=this\[Symbol\.metadata\];if\([^{]*\{[^}]*\}/g, "")
    .replace(/\w+\.\w+(Polyfill|Hydrate)Support/g, "(void 0)")
    .replace(/\(\w+\.\w+Versions\?\?=\[\]\)\.push\(.*?\)/g, "0");
}

function unspaced(style: string): string {
  const bare = style.replace(/\/\*.*?\*\//gs, "").replace(/([{};,`])\n\s*/g, "$1").replace(/([:,]) /g, "$1");
  return bare.replaceAll(" {", "{").replaceAll(";}", "}").replace(/([ :,(])0\./g, "$1.");
}

/** Writes down what a build is made of; scripts/finish_build.mjs ships the licences that go with it. */
const listed = (build: string): Plugin => ({
  name: "listed",
  generateBundle(_, bundle) {
    const modules = Object.values(bundle).flatMap((file) => (file.type === "chunk" ? Object.keys(file.modules) : []));
    this.emitFile({ type: "asset", fileName: `${build}.modules.json`, source: JSON.stringify(modules) });
  },
});

// Two builds, each one self-contained module: TensorBoard serves index.js from one folder and the
// worker from another, so neither may import a shared chunk, and its policy forbids blob: workers.
export default defineConfig(({ mode }) => {
  const worker = mode === "worker";
  return {
    plugins: [unindented, listed(mode)],
    build: {
      outDir: "../tb_mmx_plugin/static",
      emptyOutDir: !worker,
      target: "es2022",
      modulePreload: false,
      rolldownOptions: {
        input: worker ? "src/data/worker.ts" : "src/index.ts",
        preserveEntrySignatures: "strict" as const,
        output: { format: "es" as const, entryFileNames: worker ? "worker.js" : "index.js" },
      },
    },
    test: { include: ["tests/**/*.test.ts"], environment: "node" },
  };
});
