import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const SOURCES = fileURLToPath(new URL("../src/", import.meta.url));
const LONGEST_FILE = 400;
const IMPORT = /^(?:import|export)\b[^;]*?["'](\.[^"'?]*)["'];|\bimport\(["'](\.[^"'?]*)["']\)/gms;

const files = new Map(
  readdirSync(SOURCES, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => [name, readFileSync(join(SOURCES, name), "utf8")] as const),
);

/** What each file imports, types and what is loaded later included. */
const imports = new Map(
  [...files].map(([name, text]) => {
    const paths = [...text.matchAll(IMPORT)].map((match) => join(dirname(join(SOURCES, name)), match[1] ?? match[2]!));
    return [name, paths.map((path) => `${relative(SOURCES, path)}.ts`)] as const;
  }),
);

/** The first way from a file back to itself; empty where there is none. */
function circle(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  const walk = (name: string, way: string[]): string[] => {
    if (way.includes(name)) return [...way.slice(way.indexOf(name)), name];
    if (done.has(name)) return [];
    for (const next of graph.get(name) ?? []) {
      const found = walk(next, [...way, name]);
      if (found.length) return found;
    }
    done.add(name);
    return [];
  };
  for (const name of graph.keys()) {
    const found = walk(name, []);
    if (found.length) return found;
  }
  return [];
}

describe("the panel's files", () => {
  it("import each other in no circle", () => {
    expect(circle(imports)).toEqual([]);
  });

  it("are all reached by the walk, which finds a circle where there is one", () => {
    const imported = new Set([...imports.values()].flat());
    expect([...imported].filter((name) => !files.has(name))).toEqual([]);
    expect([...files.keys()].filter((name) => !imported.has(name)).sort()).toEqual(["data/worker.ts", "vscode.ts"]);
    expect(circle(new Map([["a", ["b"]], ["b", ["c"]], ["c", ["b"]]]))).toEqual(["b", "c", "b"]);
  });

  it.each([...files])("%s can be read at one sitting", (_, text) => {
    expect(text.trimEnd().split("\n").length).toBeLessThanOrEqual(LONGEST_FILE);
  });
});
