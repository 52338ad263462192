// A TensorBoard per log directory, kept while the window lives. Nobody but this process speaks to it, so
// nothing is forwarded, and it is the same over SSH and in containers.
import { type ChildProcess, spawn } from "node:child_process";
import * as vscode from "vscode";
import { interpreter, missingIn } from "./interpreter";

const START_MS = 90_000;
const ADDRESS = /(http:\/\/(?:127\.0\.0\.1|localhost):\d+)\//;
const ROOT = "/data/plugin/mmx/";

export interface Answer {
  status: number;
  mime: string;
  body: ArrayBuffer;
}

export class Server {
  private process: ChildProcess | null = null;
  private starting: Promise<string> | null = null;

  constructor(
    readonly logdir: string,
    private readonly log: vscode.OutputChannel,
  ) {}

  /** Rejects with a sentence where nobody answers; a server that has ended is started once more. */
  async get(path: string, signal: AbortSignal): Promise<Answer> {
    const base = await this.start();
    let response: Response;
    try {
      response = await fetch(`${base}${ROOT}${path}`, { signal });
    } catch {
      throw new Error("TensorBoard does not answer.");
    }
    const mime = response.headers.get("content-type") ?? "";
    return { status: response.status, mime, body: await response.arrayBuffer() };
  }

  start(): Promise<string> {
    this.starting ??= this.started().catch((error: unknown) => {
      this.starting = null;
      throw error;
    });
    return this.starting;
  }

  dispose(): void {
    this.process?.kill();
  }

  private async started(): Promise<string> {
    const python = await interpreter();
    const missing = await missingIn(python);
    if (missing) throw new Error(missing);
    // One argument each, and no shell: a directory's name is never a command.
    const command = ["-m", "tensorboard.main", `--logdir=${this.logdir}`, "--host=127.0.0.1", "--port=0", "--reload_interval=2"];
    const server = spawn(python, command, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, PYTHONUNBUFFERED: "1" } });
    this.process = server;
    return new Promise((resolve, reject) => {
      let said = "";
      const timer = setTimeout(() => reject(new Error(`TensorBoard said no address for ${START_MS / 1000} s.`)), START_MS);
      const listen = (text: Buffer) => {
        this.log.append(text.toString());
        said = (said + text.toString()).slice(-4000);
        const address = ADDRESS.exec(said)?.[1];
        if (address) resolve(address);
      };
      server.stdout.on("data", listen);
      server.stderr.on("data", listen);
      server.on("error", (error) => reject(new Error(`${python} cannot be started: ${error.message}`)));
      server.on("exit", () => {
        clearTimeout(timer);
        this.starting = null;
        reject(new Error(`TensorBoard has ended: ${said.trim().split("\n").at(-1)}`));
      });
    });
  }
}

export class Servers implements vscode.Disposable {
  private readonly servers = new Map<string, Server>();
  private readonly log = vscode.window.createOutputChannel("Explanations");

  of(logdir: string): Server {
    const server = this.servers.get(logdir) ?? new Server(logdir, this.log);
    this.servers.set(logdir, server);
    return server;
  }

  get running(): readonly Server[] {
    return [...this.servers.values()];
  }

  dispose(): void {
    for (const server of this.servers.values()) server.dispose();
    this.log.dispose();
  }
}
