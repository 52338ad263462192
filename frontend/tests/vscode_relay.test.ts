import { existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, vi } from "vitest";

// Neither is to be had outside VS Code: what is asked of them here is when, and for which program.
vi.mock("vscode", () => ({}));
const waiting: ((python: string) => void)[] = [];
vi.mock("../../vscode/src/interpreter", () => ({
  interpreter: () => new Promise<string>((resolve) => waiting.push(resolve)),
  missingIn: async () => "",
  unreadableBy: async () => "",
}));

// By a name that TypeScript does not follow: the types of VS Code are the extension's own.
const relay: string = new URL("../../vscode/src/relay.ts", import.meta.url).pathname;
const { Server } = await import(/* @vite-ignore */ relay);

it("starts nothing for who has stopped it meanwhile, and keeps what was asked for since", async () => {
  const folder = mkdtempSync(join(tmpdir(), "relay-"));
  const program = (name: string) => {
    const path = join(folder, name);
    writeFileSync(path, `#!/bin/sh\ntouch ${path}.ran\necho http://127.0.0.1:1234/\nsleep 5\n`, { mode: 0o755 });
    return path;
  };
  const server = new Server("runs", { append: () => {} }, () => {});
  const first = server.start();
  server.stop();
  const second = server.start();
  waiting[0]!(program("first"));
  await expect(first).rejects.toThrow("was stopped");
  expect(server.runs).toBe(true);
  waiting[1]!(program("second"));
  expect(await second).toBe("http://127.0.0.1:1234");
  server.stop();
  expect(existsSync(join(folder, "first.ran"))).toBe(false);
  expect(existsSync(join(folder, "second.ran"))).toBe(true);
});
