/**
 * Executes one script on the engine, command by command, in turns of the given size. What depends on
 * a module that failed fails too.
 */

import { assertNever } from "../vm/errors.ts";
import { MAX_TURN_FUEL } from "../vm/limits.ts";
import {
  type CompiledModule,
  compileSync,
  Engine,
  Func,
  Global,
  GuestException,
  Instance,
  type Invocation,
  LinkError,
  type Outcome,
  Store,
  Trap,
  type TurnOptions,
} from "../vm/index.ts";
import { INSTRUCTION_BY_NUMBER } from "../vm/opcodes.ts";
import type { Proposals } from "../vm/proposals.ts";
import { decodeBits } from "../vm/runtime/values.ts";
import type { Action, Command, ModuleSource } from "../vm/text/commands.ts";
import { parseScript } from "../vm/text/script.ts";
import { judgeAcceptance, judgeRejection } from "./modules.ts";
import type { Mode } from "./options.ts";
import { FileResult } from "./result.ts";
import { atPowersOfFour, moveStore, type Run, type SaveChoice } from "./saving.ts";
import { Spectest } from "./spectest.ts";
import { proposalsOf, type SuiteFile } from "./suite.ts";
import { Threads } from "./threads.ts";
import { argumentOf, matches, patternText, valueText } from "./values.ts";
import { errorText, failed, messageFits, PASSED, type Verdict } from "./verdict.ts";

export interface RunOptions {
  readonly mode: Mode;
  /** One for all scripts of a run, so that their types meet in one registry. */
  readonly engine: Engine;
  /** `eager`: lower every body when its module is compiled, not at its first call. */
  readonly lowering: "eager" | "lazy";
  /** Keep a line per action for the comparison of modes. */
  readonly trace: boolean;
  /** Of the mode `snapshots`: when to save. */
  readonly chooses?: SaveChoice;
}

/** An instance or definition that could not be made: what that means for those who need it. */
interface Missing {
  readonly kind: "missing";
  readonly verdict: Verdict;
}

type Loaded<T> = { readonly kind: "loaded"; readonly value: T } | Missing;

/** How an action ended. */
type Ending =
  | { readonly kind: "values"; readonly values: readonly unknown[] }
  | { readonly kind: "error"; readonly error: unknown }
  | Missing;

/** An assertion about the end of an instantiation. */
type AssertInstantiation = {
  readonly line: number;
  readonly kind: string;
  readonly source: ModuleSource;
  readonly message: string;
};

/** What a sequence of commands can name: the script has one, and each of its threads. Instances have numbers. */
class Scope {
  readonly instances = new Map<string, Loaded<number>>();
  readonly definitions = new Map<string, Loaded<CompiledModule>>();
  readonly registered = new Map<string, Loaded<number>>();
  readonly threads = new Map<string, Promise<void>>();
  latest: Loaded<number> = { kind: "missing", verdict: failed("there is no instance yet") };
  latestDefinition: Loaded<CompiledModule> = { kind: "missing", verdict: failed("there is no definition yet") };
  readonly isThread: boolean;

  constructor(isThread: boolean) {
    this.isThread = isThread;
  }
}

/** Runs the script and says what it found; a script that cannot be read is one failure. */
export async function runScript(
  file: SuiteFile,
  source: string | Uint8Array,
  options: RunOptions,
): Promise<FileResult> {
  const result = new FileResult(file);
  const start = performance.now();
  try {
    const proposals = proposalsOf(file);
    const script = parseScript(source, { proposals });
    const engine = engineFor(options.engine, proposals);
    await new ScriptRun(result, { ...options, engine }).execute(script.commands, new Scope(false));
  } catch (error) {
    result.commandFailed(0, "script", errorText(error));
  }
  result.seconds = (performance.now() - start) / 1000;
  return result;
}

/** Engines that differ from another one in accepting proposals. */
const engines = new WeakMap<Engine, Map<string, Engine>>();

function engineFor(engine: Engine, proposals: Proposals): Engine {
  if (proposals.size === 0) return engine;
  const others = engines.get(engine) ?? new Map<string, Engine>();
  engines.set(engine, others);
  const key = [...proposals].join();
  let other = others.get(key);
  if (other === undefined) {
    const prices = INSTRUCTION_BY_NUMBER.flatMap((row, op) =>
      row ? [[row.mnemonic, engine.prices[op]!] as const] : [],
    );
    other = new Engine({ prices: Object.fromEntries(prices), proposals });
    others.set(key, other);
  }
  return other;
}

class ScriptRun {
  readonly #result: FileResult;
  readonly #options: RunOptions;
  #store: Store;
  /** All of the store, in their order: numbers mean them. */
  #instances: Instance[];
  readonly #spectest: Spectest;
  readonly #chooses: SaveChoice | null;
  /** What has begun and not ended. */
  readonly #runs = new Set<Run>();
  readonly #threads = new Threads();
  /** A thread's order depends on the turns, so nothing is traced from the first one on. */
  #isTracing: boolean;

  constructor(result: FileResult, options: RunOptions) {
    this.#result = result;
    this.#options = options;
    this.#store = new Store({ engine: options.engine });
    this.#spectest = new Spectest(this.#store, options.engine);
    this.#instances = this.#store.owners.filter((owner) => owner instanceof Instance);
    this.#chooses = options.mode.kind === "snapshots" ? (options.chooses ?? atPowersOfFour) : null;
    this.#isTracing = options.trace;
  }

  async execute(commands: readonly Command[], scope: Scope): Promise<void> {
    for (const command of commands) await this.#command(command, scope);
    for (const thread of scope.threads.values()) await this.#threads.blockedBy(thread);
  }

  async #command(command: Command, scope: Scope): Promise<void> {
    const { line } = command;
    if (judgeRejection(command, this.#result, this.#options.engine.proposals)) return;
    switch (command.kind) {
      case "module":
        return this.#module(command, scope);
      case "instance": {
        const definition =
          command.module === null ? scope.latestDefinition : named(scope.definitions, command.module, "definition");
        await this.#instantiate(command, definition, command.name, scope);
        return;
      }
      case "register":
        scope.registered.set(command.as, instanceOf(scope, command.module));
        return;
      case "action": {
        const ending = await this.#action(command.action, line, scope);
        if (ending.kind === "error") this.#commandFailed(command, ending.error);
        return;
      }
      case "assert_return": {
        const ending = await this.#action(command.action, line, scope);
        const verdict =
          ending.kind === "missing"
            ? ending.verdict
            : ending.kind === "error"
              ? failed(`expected results, got ${errorText(ending.error)}`)
              : judgeValues(ending.values, command.results);
        this.#result.assertion(line, command.kind, verdict);
        return;
      }
      case "assert_trap":
      case "assert_exhaustion": {
        const ending = await this.#action(command.action, line, scope);
        this.#result.assertion(line, command.kind, judgeError(ending, Trap, command.message));
        return;
      }
      case "assert_module_trap":
        return this.#assertInstantiation(command, Trap, scope);
      case "assert_unlinkable":
        return this.#assertInstantiation(command, LinkError, scope);
      case "assert_exception":
      case "assert_suspension": {
        const ending = await this.#action(command.action, line, scope);
        const isException = command.kind === "assert_exception";
        const wanted = isException ? "an exception" : "a suspension";
        const verdict =
          ending.kind === "missing"
            ? ending.verdict
            : isException && ending.kind === "error" && ending.error instanceof GuestException
              ? PASSED
              : failed(`expected ${wanted}, got ${endingText(ending)}`);
        this.#result.assertion(line, command.kind, verdict);
        return;
      }
      case "thread":
        this.#thread(command, scope);
        return;
      case "wait": {
        const thread = scope.threads.get(command.thread);
        if (thread === undefined) this.#result.commandFailed(line, command.kind, `unknown thread ${command.thread}`);
        else await this.#threads.blockedBy(thread);
        return;
      }
      case "assert_malformed":
      case "assert_malformed_custom":
      case "assert_invalid":
      case "assert_invalid_custom":
        return;
      default:
        assertNever(command);
    }
  }

  async #module(command: Command & { kind: "module" }, scope: Scope): Promise<void> {
    const compiled = this.#compile(command, command.source);
    if (command.definition) {
      scope.latestDefinition = compiled;
      if (command.name !== null) scope.definitions.set(command.name, compiled);
    } else {
      await this.#instantiate(command, compiled, command.name, scope);
    }
  }

  #compile(command: { readonly line: number; readonly kind: string }, source: ModuleSource): Loaded<CompiledModule> {
    const { engine, lowering } = this.#options;
    const compiled = judgeAcceptance(command, source, this.#result, (bytes) => compileSync(bytes, { engine }));
    if (compiled !== null && lowering === "eager") lowerAll(compiled, this.#options.mode.kind === "exact");
    if (compiled !== null) return { kind: "loaded", value: compiled };
    return { kind: "missing", verdict: failed(`the module at line ${command.line} was refused`) };
  }

  async #instantiate(
    command: Command,
    module: Loaded<CompiledModule>,
    name: string | null,
    scope: Scope,
  ): Promise<void> {
    let loaded: Loaded<number>;
    const ending = module.kind === "missing" ? module : await this.#instantiation(module.value, command.line, scope);
    if (ending.kind === "values") loaded = { kind: "loaded", value: ending.values[0] as number };
    else if (ending.kind === "missing") loaded = ending;
    else {
      this.#commandFailed(command, ending.error);
      loaded = { kind: "missing", verdict: failed(`the module at line ${command.line} was not instantiated`) };
    }
    scope.latest = loaded;
    if (name !== null) scope.instances.set(name, loaded);
  }

  async #assertInstantiation(
    command: AssertInstantiation,
    wanted: typeof Trap | typeof LinkError,
    scope: Scope,
  ): Promise<void> {
    const module = this.#compile(command, command.source);
    const ending = module.kind === "missing" ? module : await this.#instantiation(module.value, command.line, scope);
    this.#result.assertion(command.line, command.kind, judgeError(ending, wanted, command.message));
  }

  async #instantiation(module: CompiledModule, line: number, scope: Scope): Promise<Ending> {
    for (const { module: name } of module.imports) {
      const provider = scope.registered.get(name);
      if (provider?.kind === "missing") return provider;
    }
    let number = -1;
    const ending = await this.#finish(line, () => {
      const begun = this.#store.instantiation(module, (moduleName, name) => {
        const provider = scope.registered.get(moduleName);
        if (provider?.kind === "loaded") return this.#instances[provider.value]!.export(name);
        return moduleName === "spectest" ? this.#spectest.export(this.#store, this.#instances, name) : undefined;
      });
      number = this.#instances.push(begun.instance) - 1;
      return begun.invocation;
    });
    return ending.kind === "values" ? { kind: "values", values: [number] } : ending;
  }

  async #action(action: Action, line: number, scope: Scope): Promise<Ending> {
    const loaded = instanceOf(scope, action.module);
    if (loaded.kind === "missing") return loaded;
    const extern = this.#instances[loaded.value]!.export(action.name);
    if (action.kind === "get") {
      if (extern instanceof Global) return { kind: "values", values: [globalBits(extern)] };
      return { kind: "error", error: new TypeError(`there is no global "${action.name}"`) };
    }
    if (!(extern instanceof Func)) {
      return { kind: "error", error: new TypeError(`there is no function "${action.name}"`) };
    }
    return this.#finish(line, () => this.#store.invoke(extern, action.args.map(argumentOf), { bits: true }));
  }

  /** Gives the invocation turns until it ends, and counts them and their fuel. */
  async #finish(line: number, begin: () => Invocation): Promise<Ending> {
    let run: Run | null = null;
    let ending: Ending;
    try {
      run = { invocation: begin(), release: () => undefined };
      ending = { kind: "values", values: await this.#turns(run) };
    } catch (error) {
      run?.invocation.terminate(error instanceof Error ? error : new Error(String(error)));
      ending = { kind: "error", error };
    }
    const fuel = run?.invocation.fuelUsed ?? 0;
    this.#result.fuel += fuel;
    if (fuel > 0) this.#result.runs++;
    if (this.#isTracing) this.#result.trace.push(`${line}: ${endingText(ending)}, fuel ${fuel}`);
    return ending;
  }

  async #turns(run: Run): Promise<readonly unknown[]> {
    this.#runs.add(run);
    try {
      let pause = 0;
      this.#save(run, pause);
      for (;;) {
        const outcome = run.invocation.run(turnOf(this.#options.mode, pause));
        if (outcome.kind === "returned") return outcome.values;
        // Where code is lowered depends on who ran before.
        if (outcome.kind === "yielded" && outcome.reason === "preparing") continue;
        if (outcome.kind === "yielded") this.#result.pauses++;
        pause++;
        if (!this.#save(run, pause) && outcome.kind === "waiting") await this.#waited(run, outcome);
        // Threads take turns with each other; a script without any need not go through the event loop.
        if (this.#threads.areSeveral) await null;
      }
    } finally {
      this.#runs.delete(run);
    }
  }

  async #waited(run: Run, outcome: Outcome & { kind: "waiting" }): Promise<void> {
    if (outcome.reason === "hostCall") return outcome.ready ?? undefined;
    run.release = () => outcome.wait.timeOut();
    await this.#threads.blockedBy(outcome.ready, outcome.wait);
    run.release = () => undefined;
  }

  /** Goes on in a restored store, if it is time for that. */
  #save(run: Run, pause: number): boolean {
    if (this.#chooses?.(run.invocation, pause) !== true) return false;
    const refused = (reason: string) => this.#result.unsaved.push(reason);
    const moved = moveStore(this.#store, this.#instances, [...this.#runs], refused);
    if (moved === null) return false;
    this.#result.snapshots++;
    this.#store = moved.store;
    this.#instances = [...moved.instances];
    return true;
  }

  #thread(command: Command & { kind: "thread" }, scope: Scope): void {
    const inner = new Scope(true);
    this.#isTracing = false;
    this.#result.trace.splice(0);
    for (const name of command.shared) inner.instances.set(name, named(scope.instances, name, "instance"));
    const end = this.execute(command.commands, inner).catch((error: unknown) => this.#commandFailed(command, error));
    scope.threads.set(command.name, this.#threads.count(end));
  }

  #commandFailed(command: Command, error: unknown): void {
    this.#result.commandFailed(command.line, command.kind, errorText(error));
  }
}

/** Lowers every body that the engine can run. */
function lowerAll(module: CompiledModule, exact: boolean): void {
  const { funcs, importedFuncs } = module.data;
  for (let index = importedFuncs; index < funcs.length; index++) module.lower(index, exact);
}

/** How much fuel the turn after a pause gets, and how it ends. */
function turnOf(mode: Mode, pause: number): TurnOptions {
  switch (mode.kind) {
    case "unlimited":
      return { fuel: MAX_TURN_FUEL };
    case "slice":
    case "exact":
      return { fuel: mode.fuel, exact: mode.kind === "exact" };
    case "snapshots":
      // In spells that double: going over takes a look at every frame.
      return { fuel: mode.fuel, exact: Math.clz32(pause + 1) % 2 === 1 };
    default:
      return assertNever(mode);
  }
}

/** A number by its bits: as a JavaScript number, a NaN would lose its payload. */
function globalBits({ store, type, at }: Global): unknown {
  return decodeBits(store, type.type, store.globalWords, at);
}

function named<T>(map: ReadonlyMap<string, Loaded<T>>, name: string, what: string): Loaded<T> {
  return map.get(name) ?? { kind: "missing", verdict: failed(`there is no ${what} ${name}`) };
}

function instanceOf(scope: Scope, name: string | null): Loaded<number> {
  return name === null ? scope.latest : named(scope.instances, name, "instance");
}

function judgeValues(values: readonly unknown[], patterns: (Command & { kind: "assert_return" })["results"]): Verdict {
  if (values.length === patterns.length && patterns.every((pattern, index) => matches(values[index], pattern))) {
    return PASSED;
  }
  return failed(`expected ${patterns.map(patternText).join(" ")}, got ${values.map(valueText).join(" ")}`);
}

function judgeError(ending: Ending, wanted: typeof Trap | typeof LinkError, expected: string): Verdict {
  if (ending.kind === "missing") return ending.verdict;
  if (ending.kind === "error" && ending.error instanceof wanted && messageFits(ending.error.message, expected)) {
    return PASSED;
  }
  return failed(`expected ${wanted.name} "${expected}", got ${endingText(ending)}`);
}

function endingText(ending: Ending): string {
  if (ending.kind === "values") return `[${ending.values.map(valueText).join(" ")}]`;
  return ending.kind === "error" ? errorText(ending.error) : "nothing";
}
