import { describe, expect, test } from "vitest";
import { fileLink } from "../src/view/host";

describe("the link to the user's line", () => {
  test.each([
    ["/home/ada/train.py", "vscode://file/home/ada/train.py:7"],
    ["/a b/ü#?%.py", "vscode://file/a%20b/%C3%BC%23%3F%25.py:7"],
    ["/a/:8?windowId=_blank", "vscode://file/a/%3A8%3FwindowId%3D_blank:7"],
    ["/javascript:alert(1)", "vscode://file/javascript%3Aalert(1):7"],
  ])("of the path %j is %s", (file, link) => {
    expect(fileLink({ file, line: 7 })).toBe(link);
  });

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
  ])("is none for %j", (file) => {
    expect(fileLink({ file, line: 7 })).toBe("");
  });
});
