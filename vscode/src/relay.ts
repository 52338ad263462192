// A TensorBoard per log directory, kept while the window lives. Nobody but this process speaks to it, so
// nothing is forwarded, and it is the same over SSH and in containers.
import { type ChildProcess, spawn } from "node:child_process";
import * as vscode from "vscode";
import { interpreter, missingIn, unreadableBy } from "./interpreter";

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

  /** @param ended Called when it has come to an end by itself. */
  constructor(
    readonly logdir: string,
    private readonly log: vscode.OutputChannel,
    private readonly ended: () => void,
  ) {}

  /** Whether it is worth asking again unasked: who has failed would be started each time. */
  get runs(): boolean {
    return this.starting !== null;
  }

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
    if (this.starting) return this.starting;
    const mine: Promise<string> = this.started(() => this.starting === mine).catch((error: unknown) => {
      if (this.starting === mine) this.starting = null;
      throw error;
    });
    return (this.starting = mine);
  }

  /** Ends it; who asks again has it started again. */
  stop(): void {
    this.process?.kill();
    this.process = null;
    this.starting = null;
  }

  private async started(wanted: () => boolean): Promise<string> {
    const python = await interpreter();
    const trouble = (await missingIn(python)) || (await unreadableBy(python, this.logdir));
    if (trouble) throw new Error(trouble);
    // Stopped meanwhile: nobody would end it.
    if (!wanted()) throw new Error("TensorBoard was stopped.");
    // One argument each, and no shell: a directory's name is never a command.
    const command = ["-m", "tensorboard.main", `--logdir=${this.logdir}`, "--host=127.0.0.1", "--port=0", "--reload_interval=2"];
    const server = spawn(python, command, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, PYTHONUNBUFFERED: "1" } });
    this.process = server;
    return new Promise((resolve, reject) => {
      let said = "";
      let address: string | undefined;
      const timer = setTimeout(() => {
        server.kill();
        reject(new Error(`TensorBoard said no address for ${START_MS / 1000} s.`));
      }, START_MS);
      const listen = (text: Buffer) => {
        this.log.append(text.toString());
        said = (said + text.toString()).slice(-4000);
        address ??= ADDRESS.exec(said)?.[1];
        if (!address) return;
        clearTimeout(timer);
        resolve(address);
      };
      server.stdout.on("data", listen);
      server.stderr.on("data", listen);
      server.on("error", (error) => reject(new Error(`${python} cannot be started: ${error.message}`)));
      server.on("exit", () => {
        clearTimeout(timer);
        reject(new Error(`TensorBoard has ended: ${said.trim().split("\n").at(-1)}`));
        if (this.process !== server) return;
        this.starting = null;
        if (address) this.ended();
      });
    });
  }
}

export class Servers implements vscode.Disposable {
  private readonly servers = new Map<string, Server>();
  private readonly log = vscode.window.createOutputChannel("Explanations");
  private readonly changed = new vscode.EventEmitter<void>();
  /** What has failed may answer now: a server has ended, the folder is trusted, another Python is chosen. */
  readonly onDidChange = this.changed.event;
  private readonly causes = [
    vscode.workspace.onDidGrantWorkspaceTrust(() => this.changed.fire()),
    vscode.workspace.onDidChangeConfiguration((event) => event.affectsConfiguration("mmx.pythonPath") && this.restart()),
  ];

  of(logdir: string): Server {
    const server = this.servers.get(logdir) ?? new Server(logdir, this.log, () => this.changed.fire());
    this.servers.set(logdir, server);
    return server;
  }

  get running(): readonly Server[] {
    return [...this.servers.values()];
  }

  dispose(): void {
    this.causes.forEach((cause) => cause.dispose());
    for (const server of this.servers.values()) server.stop();
    this.changed.dispose();
    this.log.dispose();
  }

  private restart(): void {
    for (const server of this.servers.values()) server.stop();
    this.changed.fire();
  }
}
