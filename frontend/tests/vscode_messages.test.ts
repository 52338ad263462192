import { describe, expect, it } from "vitest";
import { readMessage } from "../../vscode/src/messages";

describe("what a webview may ask of the VS Code extension", () => {
  it("is each message of its type, as it is meant", () => {
    expect(readMessage({ type: "ready" })).toEqual({ type: "ready" });
    expect(readMessage({ type: "get", id: 0, path: "header?run=a%2Fb&tag=mmx%2Fval%2F0&step=3" })).toBeTruthy();
    expect(readMessage({ type: "cancel", id: 7 })).toEqual({ type: "cancel", id: 7 });
    expect(readMessage({ filename: "/home/ada/eval.py", line: 3 })).toEqual({ type: "open", file: "/home/ada/eval.py", line: 3 });
  });

  it.each([
    ["no object", "ready"],
    ["an unknown type", { type: "run", id: 0, command: "rm" }],
    ["an address", { type: "get", id: 0, path: "http://elsewhere/?a" }],
    ["another plugin's route", { type: "get", id: 0, path: "../scalars/tags?" }],
    ["a route that leads out", { type: "get", id: 0, path: "index?a=b/../../x" }],
    ["a line break in a route", { type: "get", id: 0, path: "index?a\n" }],
    ["no number of its own", { type: "get", id: "0", path: "index?" }],
    ["a number that is none", { type: "cancel", id: -1 }],
    ["text to be saved", { type: "save", id: 0, name: "a.png", body: "text" }],
    ["a file that is not named from the root", { filename: "eval.py", line: 0 }],
    ["another machine's share", { filename: "//host/share/eval.py", line: 0 }],
    ["an address for a file", { filename: "vscode://file/etc/passwd", line: 0 }],
    ["a line that is none", { filename: "/eval.py", line: 1.5 }],
  ])("is not %s", (_name, message) => {
    expect(readMessage(message)).toBeNull();
  });

  it("saves under a plain name, wherever the log would have it", () => {
    const asked = { type: "save", id: 0, name: "../../.bashrc", body: new Uint8Array(1) };
    expect(readMessage(asked)).toMatchObject({ name: "_.._.bashrc" });
  });
});
