import { describe, expect, test } from "vitest";
import { isRooted } from "../src/view/host";

describe("the user's line", () => {
  test.each(["/home/ada/train.py", "/a b/ü#?%.py", "/a/:8?windowId=_blank", "/javascript:alert(1)"])(
    "is opened where it is a path from the root: %j",
    (file) => {
      expect(isRooted(file)).toBe(true);
    },
  );

  test.each([
    "javascript:alert(1)",
    "vscode://file/etc/passwd",
    "https://evil.example/x",
    "//evil.example/share/x.py",
    "\\\\evil.example\\share\\x.py",
    "/\\evil.example/x.py",
    "train.py",
    "C:\\train.py",
    "./train.py",
    "@evil.example/x.py",
    "evil.example/x.py",
    "-remote/x",
    "/a\n/b.py",
    "/a\u0000.py",
    "/a\u202egnp.py",
    "/\ud800.py",
    "<stdin>",
    "",
  ])("is not opened for %j", (file) => {
    expect(isRooted(file)).toBe(false);
  });
});
