/**
 * A script of the suite as a plan: every module is judged, every instantiation and action done in its order;
 * then every exported function of every instance is called with arguments of our own choice. What the script
 * expects is of no interest here.
 */

import { decodeModule } from "../../vm/binary/decode.ts";
import { encodeModule } from "../../vm/binary/encode.ts";
import { compileSync, Engine, type Proposal } from "../../vm/index.ts";
import type { Module } from "../../vm/module.ts";
import type { Proposals } from "../../vm/proposals.ts";
import { randomWords } from "../../vm/testing.ts";
import type { Action, Command, Constant, ModuleSource } from "../../vm/text/commands.ts";
import { parseModule } from "../../vm/text/parser.ts";
import { parseScript } from "../../vm/text/script.ts";
import { argumentOf } from "../values.ts";
import { observe, type Observed, type ObservedFunc } from "./observed.ts";
import { base64Of, type Plan, type Provision, type Step } from "./plan.ts";
import { callStep } from "./random-plan.ts";

const ROUNDS = 2;
/** Exported functions of one instance that are called besides the script's own actions. */
const MAX_FUNCS = 100;

/** As the reference interpreter provides it; functions print nothing. One module, so that both engines have the same. */
const SPECTEST = `(module
  (global (export "global_i32") i32 (i32.const 666)) (global (export "global_i64") i64 (i64.const 666))
  (global (export "global_f32") f32 (f32.const 666.6)) (global (export "global_f64") f64 (f64.const 666.6))
  (table (export "table") 10 20 funcref) (table (export "table64") i64 10 20 funcref)
  (memory (export "memory") 1 2) (memory (export "shared_memory") 1 2 shared)
  (func (export "print")) (func (export "print_i32") (param i32)) (func (export "print_i64") (param i64))
  (func (export "print_f32") (param f32)) (func (export "print_f64") (param f64))
  (func (export "print_i32_f32") (param i32 f32)) (func (export "print_f64_f64") (param f64 f64)))`;
const SPECTEST_INSTANCE = 0;

/** A module of the script that can be instantiated. */
interface Definition {
  readonly module: Module;
  readonly observed: Observed;
}

interface Named {
  readonly number: number;
  readonly observed: Observed;
}

export interface ScriptPlan {
  readonly plan: Plan;
  readonly modules: number;
  /** Why a part of the script is left out, or null. */
  readonly omitted: string | null;
}

export function scriptPlan(id: string, script: Uint8Array, proposals: Proposals): ScriptPlan {
  return new Planner(id, proposals).plan(parseScript(script, { proposals }).commands);
}

class Planner {
  readonly #id: string;
  readonly #proposals: Proposals;
  readonly #engine: Engine;
  readonly #steps: Step[] = [];
  readonly #instances = new Map<string, Named>();
  readonly #definitions = new Map<string, Definition>();
  readonly #registered = new Map<string, Named>();
  /** Instances that a script can name, for the calls at the end. */
  readonly #made: { readonly named: Named; readonly line: number }[] = [];
  #latest: Named | null = null;
  #latestDefinition: Definition | null = null;
  #count = 0;
  #modules = 0;

  constructor(id: string, proposals: Proposals) {
    this.#id = id;
    this.#proposals = proposals;
    this.#engine = new Engine({ proposals: [...proposals] as Proposal[] });
    const module = base64Of(encodeModule(parseModule(SPECTEST)));
    this.#steps.push({ kind: "instantiate", label: "spectest", module, imports: [], observed: false, provider: null });
    this.#count++;
  }

  plan(commands: readonly Command[]): ScriptPlan {
    let omitted: string | null = null;
    for (const command of commands) {
      if (command.kind === "thread" || command.kind === "wait") {
        omitted = "what follows a thread: the other engine has one thread";
        break;
      }
      this.#command(command);
    }
    this.#states("after the script");
    const next = randomWords(1);
    for (let round = 0; round < ROUNDS; round++) {
      for (const { named, line } of this.#made) {
        for (const func of named.observed.funcs.slice(0, MAX_FUNCS)) {
          const step = callStep(func, named.number, round, next);
          this.#steps.push({ ...step, label: `module of line ${line}, ${step.label}` });
        }
      }
      this.#states(`after round ${round}`);
    }
    const plan = { id: this.#id, proposals: [...this.#proposals], steps: this.#steps };
    return { plan, modules: this.#modules, omitted };
  }

  #states(when: string): void {
    for (const { named, line } of this.#made) {
      const { number, observed } = named;
      this.#steps.push({
        kind: "state",
        label: `module of line ${line}, state ${when}`,
        instance: number,
        memories: observed.memories,
      });
    }
  }

  #command(command: Command): void {
    switch (command.kind) {
      case "module": {
        const definition = this.#define(command.line, command.source);
        if (command.definition) {
          this.#latestDefinition = definition;
          if (command.name !== null && definition !== null) this.#definitions.set(command.name, definition);
        } else this.#instantiate(command.line, definition, command.name);
        return;
      }
      case "instance": {
        const { module, name, line } = command;
        this.#instantiate(
          line,
          module === null ? this.#latestDefinition : (this.#definitions.get(module) ?? null),
          name,
        );
        return;
      }
      case "register": {
        const named = command.module === null ? this.#latest : this.#instances.get(command.module);
        if (named) this.#registered.set(command.as, named);
        else this.#registered.delete(command.as);
        return;
      }
      case "assert_module_trap":
      case "assert_unlinkable":
        this.#instantiate(command.line, this.#define(command.line, command.source), null, false);
        return;
      case "assert_malformed":
      case "assert_invalid":
      case "assert_malformed_custom":
      case "assert_invalid_custom":
        this.#define(command.line, command.source);
        return;
      case "action":
      case "assert_return":
      case "assert_trap":
      case "assert_exhaustion":
      case "assert_exception":
      case "assert_suspension":
        this.#action(command.line, command.action);
        return;
      default:
    }
  }

  /** Judges a module; null if it is text that is malformed, or if our engine refuses it. */
  #define(line: number, source: ModuleSource): Definition | null {
    let bytes: Uint8Array;
    try {
      bytes = source.encode();
    } catch {
      return null;
    }
    this.#modules++;
    this.#steps.push({ kind: "validate", label: `module of line ${line}`, module: base64Of(bytes) });
    try {
      compileSync(bytes, { engine: this.#engine });
    } catch {
      return null;
    }
    const module = decodeModule(bytes, this.#proposals);
    return { module, observed: observe(module, { catches: !this.#proposals.has("legacy-exceptions") }) };
  }

  #instantiate(line: number, definition: Definition | null, name: string | null, isNamed = true): void {
    if (definition === null) {
      if (isNamed) this.#latest = null;
      return;
    }
    const { module, observed } = definition;
    this.#steps.push({
      kind: "instantiate",
      label: `instantiation at line ${line}`,
      module: base64Of(observed.bytes),
      imports: module.imports.map((item): Provision => {
        const from = this.#registered.get(item.module);
        const instance = from?.number ?? (item.module === "spectest" ? SPECTEST_INSTANCE : null);
        return {
          module: item.module,
          name: item.name,
          from: instance === null ? null : { instance, export: item.name },
        };
      }),
      observed: true,
      provider: null,
    });
    const named = { number: this.#count++, observed };
    if (!isNamed) return;
    this.#latest = named;
    this.#made.push({ named, line });
    if (name !== null) this.#instances.set(name, named);
  }

  #action(line: number, action: Action): void {
    const named = action.module === null ? this.#latest : this.#instances.get(action.module);
    if (!named) return;
    const { number, observed } = named;
    const label = `line ${line}, ${action.name}`;
    if (action.kind === "get") {
      this.#steps.push({ kind: "state", label, instance: number, memories: [] });
      return;
    }
    const func = observed.funcs.find(({ name }) => name === action.name);
    if (func !== undefined)
      this.#steps.push({ kind: "call", label, instance: number, export: func.call, ...passed(func, action.args) });
  }
}

/** The script's arguments as a step has them. */
function passed(func: ObservedFunc, args: readonly Constant[]): { bits: (string | null)[]; hosts: (number | null)[] } {
  const bits = args.map((arg, i) => (func.params[i] === "bits" ? (argumentOf(arg) as bigint).toString(16) : null));
  const hosts = args.flatMap((arg, i) =>
    func.params[i] === "host" ? [arg.kind === "ref.extern" || arg.kind === "ref.host" ? arg.value : null] : [],
  );
  return { bits, hosts };
}
