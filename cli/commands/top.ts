/**
 * `perilune top`: runs a program as `run` does and shows its processes beside: on a terminal a table
 * in place, else one table after the other. What the program writes appears below, its last lines.
 */

import type { Cancel, OutputStream, ProcessStats, Runtime } from "../../host/index.ts";
import { endOf } from "../end.ts";
import { EXIT_TIMEOUT } from "../exit.ts";
import { compileModule, displayName, readModule } from "../input.ts";
import { Interruptions } from "../interruptions.ts";
import { maxBytesOf, parseDuration } from "../options.ts";
import { askedGrants, type GrantOptions, lunaticGrants } from "../processes/grants.ts";
import { LateReports } from "../processes/late-reports.ts";
import { runMain } from "../processes/main.ts";
import { type ProcessRow, TopTable } from "../processes/top-table.ts";
import { counted, errorReport, field } from "../report.ts";
import { leave, say } from "../streams.ts";
import { callEvery } from "../timers.ts";

export interface TopOptions extends GrantOptions {
  readonly lunatic?: boolean;
  readonly interval?: string;
  readonly timeout?: string;
  readonly waitForever?: boolean;
}

const OUTPUT_LINES = 8;
const PIPED_ROWS = 1_000;
const DEFAULT_INTERVAL = "1s";
const MAX_NAMES = 2;
/** Cursor to the top left, and what is behind it cleared. */
const HOME = "\u001b[H\u001b[J";

/** Keeps the last lines. */
class LastLines implements OutputStream {
  readonly isTerminal = false;
  readonly isWritable = true;
  #text = "";

  write(bytes: Uint8Array): undefined {
    const lines = (this.#text + new TextDecoder().decode(bytes.subarray(-4_096))).split("\n");
    this.#text = lines.slice(-OUTPUT_LINES - 1).join("\n");
  }

  onWritable(wake: () => void): Cancel {
    const immediate = setImmediate(wake);
    return () => clearImmediate(immediate);
  }

  get lines(): string[] {
    const lines = this.#text.split("\n").map((line) => field(line, 120));
    return lines.at(-1) === "" ? lines.slice(0, -1) : lines;
  }
}

export async function topCommand(file: string, args: readonly string[], options: TopOptions): Promise<number> {
  const name = displayName(file);
  const interruptions = new Interruptions();
  const reports = new LateReports();
  let exitCode: number;
  try {
    const intervalMs = parseDuration("--interval", options.interval ?? DEFAULT_INTERVAL);
    const timeoutMs = options.timeout === undefined ? undefined : parseDuration("--timeout", options.timeout);
    const release = interruptions.listen(timeoutMs);
    try {
      const module = await compileModule(await readModule(file), {
        maxBytes: maxBytesOf(options.maxMemory),
        signal: interruptions.signal,
      });
      const grants = await (options.lunatic === true ? lunaticGrants : askedGrants)([file, ...args], options);
      const output = new LastLines();
      const isLive = process.stdout.isTTY === true;
      const stats = await runMain({
        name,
        module,
        grants,
        interruptions,
        waitForever: options.waitForever ?? false,
        services: { stdout: output, stderr: output },
        // On another screen, or in a file, no table is in their way.
        ...(isLive && process.stderr.isTTY === true ? { report: (text: string) => reports.add(text) } : {}),
        observe: (runtime) => show(runtime, output, reports, intervalMs, isLive),
      });
      exitCode = stats.exitCode;
    } finally {
      release();
      reports.flush(say);
    }
  } catch (error) {
    say(errorReport(name, error));
    exitCode = endOf(error).exitCode;
  }
  return leave(exitCode, exitCode === EXIT_TIMEOUT);
}

/** Shows the table again and again, and once more when the returned function is called. */
function show(
  runtime: Runtime,
  output: LastLines,
  reports: LateReports,
  intervalMs: number,
  isLive: boolean,
): () => void {
  const table = new TopTable(isLive ? Math.max(3, (process.stdout.rows ?? 24) - OUTPUT_LINES - 6) : PIPED_ROWS);
  const started = performance.now();
  const draw = (latest: string): void => {
    const rows = runtime.processes.map((stats) => rowOf(runtime, stats));
    const seconds = ((performance.now() - started) / 1_000).toFixed(1);
    const lines = [`${seconds} s, ${counted(rows.length, "process", "processes")}`, ...table.lines(rows)];
    if (output.lines.length > 0) lines.push("", ...output.lines.map((line) => `| ${line}`));
    if (latest !== "") lines.push("", latest);
    process.stdout.write(`${isLive ? HOME : ""}${lines.join("\n")}\n${isLive ? "" : "\n"}`);
  };
  const stop = callEvery(intervalMs, () => draw(reports.latest));
  return () => {
    stop();
    // All of them follow.
    draw("");
  };
}

function rowOf({ environment }: Runtime, { pid, name, state, mailbox, memory, fuel }: ProcessStats): ProcessRow {
  const names = environment.registry.namesOf(BigInt(pid), MAX_NAMES);
  return { pid, name: names.length === 0 ? name : names.join(", "), state, mailbox, memoryBytes: memory, fuel };
}
