/**
 * What modules find behind their imports: functions of the embedder's and WASI's, as far as import policies grant them. Looked up and
 * compared once for each module and policy.
 */

import {
  checkHostDefinition,
  LinkError,
  LinkPlan,
  Termination,
  type CompiledModule,
  type ExternDescriptor,
  type HostDefinition,
} from "../vm/index.ts";
import { Config } from "./config.ts";
import { traced } from "./functions/traced.ts";
import type { ImportPolicy } from "./import-policy.ts";
import { checkShape, maxPlansOf } from "./module-shape.ts";
import { requireScriptedFunction } from "./scripted.ts";
import { wasiImport } from "./wasi-imports.ts";

/** The functions of one or several namespaces; undefined for imports that are none of them. */
export type FunctionProvider = (module: string, name: string, type: ExternDescriptor) => HostDefinition | undefined;

/** Comparisons of names with patterns in one step. */
const COMPARED_AT_ONCE = 2_000;

/** Plans of a module that are being decided on. */
const MAX_UNDECIDED = 64;

interface Plans {
  /** Without any policy. Null where that cannot be: a function is not scripted, or only a redirection provides it. */
  readonly whole: LinkPlan | null;
  readonly byPolicy: Map<string, LinkPlan>;
  /** How many imports have been decided for plans that are not made yet, by the policy. */
  readonly decided: Map<number, number>;
}

const UNNARROWED = new Config();

export class LinkPlans {
  readonly #functions: readonly FunctionProvider[];
  readonly #isDeterministic: boolean;
  readonly #isTraced: boolean;
  readonly #plans = new WeakMap<CompiledModule, Plans>();

  constructor(
    functions: readonly FunctionProvider[],
    { isDeterministic, isTraced }: { readonly isDeterministic: boolean; readonly isTraced: boolean },
  ) {
    this.#functions = functions;
    this.#isDeterministic = isDeterministic;
    this.#isTraced = isTraced;
  }

  /** Throws `LinkError`, and `CompileError` for a module that is too much for a process. */
  of(module: CompiledModule, config: Config): LinkPlan {
    for (;;) {
      const plan = this.step(module, config);
      if (plan !== null) return plan;
    }
  }

  /** As {@link of}, in steps: null when the next call goes on. */
  step(module: CompiledModule, config: Config): LinkPlan | null {
    const plans = this.#plansOf(module);
    const { whole, byPolicy } = plans;
    if (whole !== null && config.policy === null) return whole;
    const key = config.policyKey;
    const known = byPolicy.get(key);
    if (known !== undefined) return known;
    if (whole !== null && config.policy !== null && !decideSome(module, config.policy, plans.decided)) return null;
    const plan = this.#make(module, config, whole);
    if (byPolicy.size >= maxPlansOf(module)) byPolicy.delete(byPolicy.keys().next().value!);
    byPolicy.set(key, plan);
    return plan;
  }

  #plansOf(module: CompiledModule): Plans {
    let plans = this.#plans.get(module);
    if (plans === undefined) {
      checkShape(module.data);
      plans = { whole: this.#whole(module), byPolicy: new Map(), decided: new Map() };
      this.#plans.set(module, plans);
    }
    return plans;
  }

  #whole(module: CompiledModule): LinkPlan | null {
    try {
      return this.#make(module, UNNARROWED, null);
    } catch {
      // Whoever needs it is told what stands in the way.
      return null;
    }
  }

  /** Guests narrow what they may import as often as they like: of a plan that is there only what is denied is looked at. */
  #make(module: CompiledModule, config: Config, whole: LinkPlan | null): LinkPlan {
    const { policy } = config;
    if (whole === null || policy?.redirects !== false) {
      return new LinkPlan(module, (from, name, type) => this.#resolve(config, from, name, type));
    }
    return whole.replacing((from, name, definition) =>
      policy.decide(`${from}::${name}`) === "granted" ? null : denied(config, from, name, definition),
    );
  }

  /** What an import is without any policy; undefined when nobody provides it. */
  find(module: string, name: string, type: ExternDescriptor): HostDefinition | undefined {
    for (const provider of this.#functions) {
      const definition = provider(module, name, type);
      if (definition === undefined) continue;
      checkHostDefinition(definition, `${module}::${name}`);
      return definition;
    }
    return wasiImport(module, name);
  }

  /** Policies are asked for what exists: both the patterns and the imports are a guest's. */
  #resolve(config: Config, module: string, name: string, type: ExternDescriptor): HostDefinition | undefined {
    const { policy } = config;
    const definition = this.find(module, name, type);
    if (definition === undefined && policy?.redirects !== true) return undefined;
    const fullName = `${module}::${name}`;
    const decision = policy?.decide(fullName) ?? "granted";
    const chosen = typeof decision === "object" ? decision : decision === "granted" ? definition : null;
    if (chosen !== null && chosen !== undefined) {
      if (this.#isDeterministic) requireScriptedFunction(fullName, chosen);
      return this.#isTraced ? traced(chosen, fullName) : chosen;
    }
    return definition === undefined ? undefined : denied(config, module, name, definition);
  }
}

/** Compares some names with patterns, of imports that all exist. True when the policy has decided on all of them. */
function decideSome({ data }: CompiledModule, policy: ImportPolicy, decided: Map<number, number>): boolean {
  let compared = 0;
  for (let i = decided.get(policy.id) ?? 0; i < data.imports.length; i++) {
    const { module, name } = data.imports[i]!;
    const fullName = `${module}::${name}`;
    if (policy.knows(fullName)) continue;
    if (compared >= COMPARED_AT_ONCE) {
      decided.set(policy.id, i);
      // Of processes that were killed meanwhile. Whoever is forgotten begins anew, with what the policy remembers.
      if (decided.size > MAX_UNDECIDED) decided.delete(decided.keys().next().value!);
      return false;
    }
    policy.decide(fullName);
    compared += policy.patternCount;
  }
  decided.delete(policy.id);
  return true;
}

/** In place of a function that is not permitted: nothing contains the end it causes. Throws `LinkError` where that is asked for. */
function denied(config: Config, module: string, name: string, { params, results }: HostDefinition): HostDefinition {
  if (config.denied === "reject") throw new LinkError("unknown import", module, name, "not permitted");
  const fullName = `${module}::${name}`;
  return {
    name: fullName,
    params,
    results,
    call() {
      throw new Termination("import denied", `${fullName} is not permitted`);
    },
  };
}
