/**
 * What the options of processes, groups, runtimes and executors have to be: one row for each, so that an option without
 * one does not compile. Guests ask for limits by other ways, with rules of their own.
 */

import {
  amountFrom,
  ANYTHING,
  arrayOf,
  BYTES,
  check,
  checkHostDefinition,
  checkOptions,
  COMPILED_MODULE,
  FLAG,
  FUNCTION,
  objectWith,
  oneOf,
  SIGNAL,
  TEXT,
  TEXTS,
  valueText,
  wholeNumber,
  type CompiledModule,
  type Expected,
  type ExpectedOptions,
} from "../vm/internal.ts";
import type { Config, ConfigOptions, OnFuelExhausted, OnFullMailbox, Visibility } from "./config.ts";
import type { DirectoryGrant } from "./directory-grants.ts";
import type { ExecutorOptions } from "./executor.ts";
import type { GroupOptions } from "./group.ts";
import { type ImportRules, redirections } from "./import-policy.ts";
import type { MailboxLimits } from "./mailbox.ts";
import type { DriveOptions } from "./drive.ts";
import type { NativeFunction, ReceiveOptions } from "./native.ts";
import type { ProcessHandle } from "./process-handle.ts";
import { MAX_NAME_BYTES } from "./registry.ts";
import type { RestoreProcessOptions, RuntimeOptions, SpawnOptions } from "./runtime.ts";
import type { Services } from "./runtime-core.ts";
import type { SlabOptions } from "./slabs.ts";
import type { Restart, RestartStrategy, SupervisorOptions, SupervisorSpec, WorkerSpec } from "./supervisor.ts";
import type { WasiOptions } from "./wasi/state.ts";
import type { ThreadOptions } from "./wasi/threads.ts";

export const VISIBILITIES: readonly Visibility[] = ["own", "descendants", "all"];
/** From the least to the most that a sender may cause. */
export const FULL_MAILBOX: readonly OnFullMailbox[] = ["drop-newest", "suspend", "end-receiver"];
/** The stricter first. */
export const FUEL_EXHAUSTED: readonly OnFuelExhausted[] = ["end", "pause"];
export const DENIED: readonly Config["denied"][] = ["reject", "terminate"];

const SIZE = amountFrom(0, "bytes");
const COUNT = amountFrom(0, "a count");
const FUEL = amountFrom(0, "fuel");
const OBJECT = objectWith("an object");
const NAME: Expected = {
  text: `a string of at most ${MAX_NAME_BYTES} bytes`,
  type: "string",
  accepts: (value: string) =>
    value.length <= MAX_NAME_BYTES && new TextEncoder().encode(value).length <= MAX_NAME_BYTES,
};

const NETWORK_GRANTS: ExpectedOptions<Exclude<ConfigOptions["network"], boolean | undefined>> = {
  connect: FLAG,
  listen: FLAG,
  resolve: FLAG,
};

const MAILBOX: ExpectedOptions<Partial<MailboxLimits>> = { maxMessages: COUNT, maxBytes: SIZE };

const CONFIG: ExpectedOptions<ConfigOptions> = {
  maxMemory: SIZE,
  maxFuel: FUEL,
  maxProcesses: COUNT,
  mailbox: OBJECT,
  onFullMailbox: oneOf(FULL_MAILBOX),
  onFuelExhausted: oneOf(FUEL_EXHAUSTED),
  canCompileModules: FLAG,
  canCreateConfigs: FLAG,
  canSpawnProcesses: FLAG,
  args: TEXTS,
  env: TEXTS,
  preopens: arrayOf("an array of directories with name, readOnly and open", objectWith("", "name", "open")),
  network: {
    text: "true, false or an object",
    type: null,
    accepts: (value: unknown) => typeof value === "boolean" || (typeof value === "object" && value !== null),
  },
  imports: OBJECT,
  hibernateAfterMs: amountFrom(0, "milliseconds"),
  denied: oneOf(DENIED),
  visibility: oneOf(VISIBILITIES),
};

const GRANT: ExpectedOptions<DirectoryGrant> = { name: TEXT, readOnly: FLAG, open: FUNCTION, isScripted: FLAG };

/** Nothing that is imported has a name without "::" between module and name. */
const PATTERN: Expected = {
  text: 'a pattern "module::name", with * for any text',
  type: "string",
  accepts: (value: string) => value.includes("::") || value.includes("*"),
};

const RULES: ExpectedOptions<ImportRules> = {
  allow: TEXTS,
  deny: TEXTS,
  redirect: {
    text: "an object or a Map of host functions by patterns",
    type: "object",
    accepts: (value: object) => !Array.isArray(value),
  },
};

/** Throws `TypeError` or `RangeError` that names the option, its value and what is expected. */
export function checkConfig(options: ConfigOptions): void {
  checkOptions("Config", options, CONFIG);
  if (options.mailbox !== undefined) checkOptions("Config.mailbox", options.mailbox, MAILBOX);
  if (typeof options.network === "object") checkOptions("Config.network", options.network, NETWORK_GRANTS);
  if (options.imports !== undefined) checkRules(options.imports);
  for (const { name, readOnly, open, isScripted } of options.preopens ?? []) {
    checkOptions(
      "Config.preopens",
      { name, readOnly, open, ...(isScripted === undefined ? {} : { isScripted }) },
      GRANT,
    );
  }
}

function checkRules(rules: ImportRules): void {
  checkOptions("Config.imports", rules, RULES);
  for (const pattern of rules.allow ?? []) check("allow of Config.imports", pattern, PATTERN);
  for (const pattern of rules.deny ?? []) check("deny of Config.imports", pattern, PATTERN);
  for (const [pattern, definition] of redirections(rules)) {
    check("redirect of Config.imports", pattern, PATTERN);
    checkHostDefinition(definition, `of redirect ${valueText(pattern)}`);
  }
}

const GROUP: ExpectedOptions<GroupOptions> = {
  name: TEXT,
  weight: wholeNumber(1, 1_000),
  maxFuel: FUEL,
  maxMemory: SIZE,
  maxProcesses: COUNT,
  maxTimers: COUNT,
  maxNames: COUNT,
  maxDescriptors: COUNT,
  maxHostMemory: SIZE,
  maxLogBytes: SIZE,
  maxSeries: COUNT,
};

/** As {@link checkConfig}. */
export function checkGroup(options: GroupOptions): void {
  checkOptions("a group", options, GROUP);
}

/** What `Group.setLimit` takes. */
export const GROUP_LIMIT: Expected = amountFrom(0, "a limit");

const EXECUTOR_OBJECT = objectWith("an Executor", "scheduler", "runUntilIdle");

const RUNTIME: ExpectedOptions<RuntimeOptions> = {
  ...GROUP,
  executor: EXECUTOR_OBJECT,
  services: OBJECT,
  servicesOf: FUNCTION,
  functions: arrayOf("an array of functions", FUNCTION),
  allocator: objectWith("a MemoryAllocator", "allocate"),
  trace: FUNCTION,
};

/** As {@link checkConfig}. */
export function checkRuntime(options: RuntimeOptions): void {
  checkOptions("Runtime", options, RUNTIME);
  if (options.services !== undefined) checkServices(options.services, "services of Runtime");
}

const SERVICES: ExpectedOptions<Partial<Services>> = {
  clock: objectWith("a Clock: realtime, monotonic, resolution, wakeAt", "realtime", "monotonic", "wakeAt"),
  random: objectWith("a Random: fill", "fill"),
  stdin: objectWith("an InputStream, as QueuedInput is", "read", "available", "onReadable"),
  stdout: objectWith("an OutputStream, as LineOutput is", "write", "isWritable", "onWritable"),
  stderr: objectWith("an OutputStream, as LineOutput is", "write", "isWritable", "onWritable"),
};

/** As {@link checkConfig}. */
export function checkServices(services: Partial<Services>, what: string): void {
  checkOptions(what, services, SERVICES);
}

const NATIVE: ExpectedOptions<Omit<SpawnOptions, "args" | "entry">> = {
  config: OBJECT,
  group: objectWith("a group of Runtime.createGroup", "share", "setLimit"),
  environment: objectWith("an environment of Runtime.createEnvironment", "registry"),
  link: objectWith("a ProcessHandle", "process", "exited"),
  name: TEXT,
  signal: SIGNAL,
};

const SPAWN: ExpectedOptions<SpawnOptions> = { ...NATIVE, entry: TEXT, args: arrayOf("an array of values", ANYTHING) };

const RESTORE: ExpectedOptions<RestoreProcessOptions> = {
  ...NATIVE,
  modules: arrayOf("an array of compiled modules", COMPILED_MODULE),
  extern: FUNCTION,
  hostFunc: FUNCTION,
  relations: oneOf(["require", "drop"]),
};

/** A group of a runtime's. */
export const GROUP_OBJECT = NATIVE.group;
export const ENVIRONMENT = NATIVE.environment;
/** As guests see it: 64 bits, of which a number holds these. */
export const ENVIRONMENT_ID = wholeNumber(0, Number.MAX_SAFE_INTEGER);

/** As {@link checkConfig}. */
export function checkModule(module: CompiledModule): void {
  check("module of spawn", module, COMPILED_MODULE);
}

/** As {@link checkConfig}. */
export function checkNativeFunction(run: NativeFunction): void {
  check("native process", run, FUNCTION);
}

/** As {@link checkConfig}; a name as guests can ask for it. */
export function checkName(name: string): void {
  check("name to register", name, NAME);
}

/** As {@link checkConfig}. */
export function checkHandle(handle: ProcessHandle): void {
  check("process to register", handle, NATIVE.link);
}

const TAG: Expected = {
  text: "a bigint of 64 bits, as 5n",
  type: "bigint",
  // As guests see it, signed, or the same bits without a sign.
  accepts: (value: bigint) => BigInt.asIntN(64, value) === value || BigInt.asUintN(64, value) === value,
};

/** What is sent. Throws as {@link checkConfig} does. */
export function checkMessage(data: Uint8Array, tag: bigint): void {
  check("data of a message", data, BYTES);
  checkTag("tag of a message", tag);
}

/** As {@link checkPid}. */
export function checkTag(what: string, tag: bigint): void {
  check(what, tag, TAG);
}

const PID = wholeNumber(0, Number.MAX_SAFE_INTEGER);
const DELAY_MS = amountFrom(0, "milliseconds");

/** Throws as {@link check} does; `what` says whose number it is. */
export function checkPid(what: string, pid: number): void {
  check(what, pid, PID);
}

/** As {@link checkPid}. */
export function checkSleep(delayMs: number): void {
  check("milliseconds to sleep", delayMs, DELAY_MS);
}

const RECEIVE: ExpectedOptions<ReceiveOptions> = {
  tags: arrayOf("an array of bigints of 64 bits", TAG),
  timeoutMs: DELAY_MS,
};

/** As {@link checkConfig}. */
export function checkReceive(options: ReceiveOptions): void {
  checkOptions("receive", options, RECEIVE);
}

/** As {@link checkConfig}; a limit that belongs into `config` is refused. */
export function checkSpawn(options: SpawnOptions): void {
  checkOptions("spawn", options, SPAWN);
}

/** As {@link checkSpawn}. */
export function checkSpawnNative(options: Omit<SpawnOptions, "args" | "entry">): void {
  checkOptions("spawnNative", options, NATIVE);
}

/** As {@link checkSpawn}. */
export function checkRestore(bytes: Uint8Array, options: RestoreProcessOptions): void {
  check("snapshot to restore", bytes, BYTES);
  checkOptions("restore", options, RESTORE);
  checkRequired("restore", options, RESTORE, ["modules"]);
}

const EXECUTOR: ExpectedOptions<ExecutorOptions> = {
  budgetMs: {
    text: "milliseconds as a number from 0 on, not Infinity",
    type: "number",
    accepts: (value: number) => value >= 0 && value < Number.POSITIVE_INFINITY,
  },
  sliceFuel: amountFrom(1, "fuel"),
  seed: wholeNumber(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
  virtualTime: FLAG,
  source: objectWith("a TurnSource: nowMs, nextTurn, wakeAfter", "nowMs", "nextTurn", "wakeAfter"),
};

/** As {@link checkConfig}. */
export function checkExecutor(options: ExecutorOptions): void {
  checkOptions("Executor", options, EXECUTOR);
  if (options.seed !== undefined && options.virtualTime === false) {
    throw new TypeError("virtualTime of Executor: with a seed time is virtual, and nothing would ever be due");
  }
}

const STRATEGIES: readonly RestartStrategy[] = ["one-for-one", "one-for-all", "rest-for-one"];
const RESTARTS: readonly Restart[] = ["permanent", "transient", "temporary"];

const SUPERVISOR: ExpectedOptions<SupervisorOptions> = {
  strategy: oneOf(STRATEGIES),
  intensity: amountFrom(0, "restarts"),
  // In no time there is no restart, and intensity would limit nothing.
  periodMs: amountFrom(1, "milliseconds"),
  backOffMs: FUNCTION,
  executor: EXECUTOR_OBJECT,
};

/** As {@link checkConfig}. */
export function checkSupervisor(options: SupervisorOptions): void {
  checkOptions("Supervisor", options, SUPERVISOR);
}

const CHILD: ExpectedOptions<SupervisorSpec> = {
  id: TEXT,
  type: oneOf(["supervisor"]),
  restart: oneOf(RESTARTS),
  start: FUNCTION,
  shutdown: {
    text: '"kill" or milliseconds as a number from 0 on, or Infinity',
    type: null,
    accepts: (value: unknown) => value === "kill" || (typeof value === "number" && value >= 0),
  },
};

const WORKER: ExpectedOptions<WorkerSpec> = {
  ...CHILD,
  type: oneOf(["worker", "supervisor"]),
  names: TEXTS,
  stop: FUNCTION,
};

/** As {@link checkConfig}. */
export function checkChild(spec: SupervisorSpec | WorkerSpec): void {
  const of = "a child";
  if (spec.type === "supervisor") checkOptions(of, spec, CHILD);
  else checkOptions<WorkerSpec>(of, spec, WORKER);
  checkRequired(of, spec, CHILD, ["id", "start"]);
}

const SLABS: ExpectedOptions<SlabOptions> = {
  slabBytes: arrayOf("an array of sizes in bytes", wholeNumber(65_536, Number.MAX_SAFE_INTEGER)),
  maxPages: wholeNumber(0, 65_536),
  executor: EXECUTOR_OBJECT,
};

/** As {@link checkConfig}. */
export function checkSlabs(options: SlabOptions): void {
  checkOptions("SlabAllocator", options, SLABS);
}

const DRIVE: ExpectedOptions<DriveOptions> = {
  clock: SERVICES.clock,
  eventLoop: objectWith("an EventLoop, as NODE_EVENT_LOOP is", "nextTurn"),
  slice: amountFrom(1, "fuel"),
  maxFuel: FUEL,
  signal: SIGNAL,
  checkpoint: objectWith("an object with fuel and reached", "fuel", "reached"),
  beforeEnd: FUNCTION,
};

/** As {@link checkConfig}. */
export function checkDrive(options: DriveOptions): void {
  checkOptions("drive", options, DRIVE);
  checkRequired("drive", options, DRIVE, ["clock", "eventLoop"]);
}

const THREADS: ExpectedOptions<ThreadOptions> = {
  ...DRIVE,
  store: objectWith("a Store", "instantiation"),
  module: COMPILED_MODULE,
  imports: OBJECT,
  maxThreads: COUNT,
};

/** As {@link checkConfig}. */
export function checkThreads(options: ThreadOptions): void {
  checkOptions("WasiThreads", options, THREADS);
  checkRequired("WasiThreads", options, THREADS, ["clock", "eventLoop", "store", "module", "imports", "maxThreads"]);
}

const WASI: ExpectedOptions<WasiOptions> = {
  ...SERVICES,
  args: TEXTS,
  env: TEXTS,
  preopens: arrayOf("an array of directories with name and directory", objectWith("", "name", "directory")),
  maxDescriptors: COUNT,
  descriptorAccount: OBJECT,
  opened: arrayOf("an array", OBJECT),
};

/** As {@link checkConfig}. */
export function checkWasi(options: WasiOptions): void {
  checkOptions("Wasi", options, WASI);
  checkRequired("Wasi", options, WASI, ["clock", "random", "stdin", "stdout", "stderr"]);
}

function checkRequired<T>(
  of: string,
  options: T,
  expected: ExpectedOptions<T>,
  names: readonly (keyof T & string)[],
): void {
  for (const name of names) check(`${name} of ${of}`, options[name], expected[name]);
}
