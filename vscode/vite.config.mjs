// One CommonJS file; VS Code brings `vscode`, Node.js the rest.
import { builtinModules } from "node:module";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

export default {
  root: here("."),
  build: {
    outDir: here("dist"),
    emptyOutDir: true,
    target: "node20",
    lib: { entry: here("src/extension.ts"), formats: ["cjs"], fileName: () => "extension.js" },
    rolldownOptions: { external: ["vscode", /^node:/, ...builtinModules] },
  },
};
