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
} from "../vm/internal.ts";
import { Config } from "./config.ts";
import { traced } from "./functions/traced.ts";
import { checkShape } from "./module-shape.ts";
import { requireScriptedFunction } from "./scripted.ts";
import { wasiImport } from "./wasi-imports.ts";

/** The functions of one or several namespaces; undefined for imports that are none of them. */
export type FunctionProvider = (module: string, name: string, type: ExternDescriptor) => HostDefinition | undefined;

/** What is done in one step: imports looked at, each of which counts as so many comparisons of a name with a pattern. */
const COMPARED_AT_ONCE = 4_000;
const COMPARISONS_PER_IMPORT = 16;
/** There are not so many functions to import: a name is compared once. */
export const MAX_COMPARED_IMPORTS = 256;
/** Plans that a module is remembered to have. */
const MAX_PLANS = 64;
/** Plans of a module that are being made. */
const MAX_UNFINISHED = 64;

interface Plans {
  /** Without any policy. Null where that cannot be: a function is not scripted, or only a redirection provides it. */
  whole: LinkPlan | null | undefined;
  /** Why not. */
  failure: unknown;
  /** Whoever runs under them pays for them: those that nobody has are V8's to take. */
  readonly byPolicy: Map<string, WeakRef<LinkPlan>>;
  /** What stands in the place of each import that is denied, once it has been. */
  readonly denied: (HostFunc | undefined)[];
  /** The functions of plans that are not complete. */
  readonly unfinished: Map<string, HostFunc[]>;
}

/** How many steps making a plan may take, whatever has been done of it before. */
export function linkSteps({ data }: CompiledModule, { policy }: Config): number {
  const { length } = data.imports;
  const comparisons = Math.min(length, MAX_COMPARED_IMPORTS) * (policy?.patternCount ?? 0);
  return 1 + Math.ceil((2 * length * COMPARISONS_PER_IMPORT + comparisons) / COMPARED_AT_ONCE);
}

/** Whether a plan has what is granted from the one without any policy. */
function isShared({ policy }: Config): boolean {
  return policy !== null && !policy.redirects;
}

/** What a step may still do. */
interface Budget {
  left: number;
}

type HostFunc = LinkPlan["hosts"][number];

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
    const budget: Budget = { left: COMPARED_AT_ONCE };
    if (plans.whole === undefined) plans.whole = this.#wholeOf(module, plans, budget);
    const { whole, byPolicy } = plans;
    if (whole === undefined) return null;
    if (config.policy === null) {
      if (whole === null) throw plans.failure;
      return whole;
    }
    const key = config.policyKey;
    const known = byPolicy.get(key)?.deref();
    if (known !== undefined) return known;
    const plan = this.#advance(module, config, plans, budget);
    if (plan === null) return null;
    byPolicy.delete(key);
    if (byPolicy.size >= MAX_PLANS) byPolicy.delete(byPolicy.keys().next().value!);
    byPolicy.set(key, new WeakRef(plan));
    return plan;
  }

  /** What a plan takes besides what its module counts: that without any policy nothing. */
  ownBytesOf(plan: LinkPlan): number {
    return this.#plans.get(plan.module)?.whole === plan ? 0 : plan.byteLength;
  }

  #plansOf(module: CompiledModule): Plans {
    let plans = this.#plans.get(module);
    if (plans === undefined) {
      checkShape(module.data);
      plans = { whole: undefined, failure: null, byPolicy: new Map(), denied: [], unfinished: new Map() };
      this.#plans.set(module, plans);
    }
    return plans;
  }

  /** Undefined when the next step goes on. */
  #wholeOf(module: CompiledModule, plans: Plans, budget: Budget): LinkPlan | null | undefined {
    try {
      return this.#advance(module, UNNARROWED, plans, budget) ?? undefined;
    } catch (error) {
      plans.failure = error;
      return null;
    }
  }

  /** Null when the next step goes on. */
  #advance(module: CompiledModule, config: Config, plans: Plans, budget: Budget): LinkPlan | null {
    const { unfinished } = plans;
    const whole = isShared(config) ? (plans.whole ?? null) : null;
    const key = config.policyKey;
    const hosts = unfinished.get(key) ?? [];
    unfinished.delete(key);
    const { imports } = module.data;
    while (hosts.length < imports.length) {
      if (budget.left <= 0) {
        unfinished.set(key, hosts);
        // Of processes that were killed meanwhile. Whoever is forgotten begins anew, with what the policy remembers.
        if (unfinished.size > MAX_UNFINISHED) unfinished.delete(unfinished.keys().next().value!);
        return null;
      }
      hosts.push(this.#hostOf(module, hosts.length, config, whole, plans.denied, budget));
    }
    return new LinkPlan(module, hosts, whole);
  }

  /** Guests narrow what they may import as often as they like: what is granted they have from the plan that is there. */
  #hostOf(
    module: CompiledModule,
    index: number,
    config: Config,
    whole: LinkPlan | null,
    deniedHosts: Plans["denied"],
    budget: Budget,
  ): HostFunc {
    const { module: from, name, type } = module.data.imports[index]!;
    const { policy } = config;
    const fullName = `${from}::${name}`;
    budget.left -= COMPARISONS_PER_IMPORT;
    if (policy !== null && !policy.knows(fullName)) budget.left -= policy.patternCount;
    if (whole === null || policy === null) {
      return LinkPlan.hostOf(module, index, this.#resolve(config, from, name, module.describe(type)));
    }
    const host = whole.hosts[index]!;
    if (policy.decide(fullName) === "granted") return host;
    requireLenience(config, from, name);
    return (deniedHosts[index] ??= LinkPlan.hostOf(module, index, denied(from, name, host.definition)));
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
    if (definition === undefined) return undefined;
    requireLenience(config, module, name);
    return denied(module, name, definition);
  }
}

/** Throws `LinkError` where what is denied is not to be imported at all. */
function requireLenience({ denied }: Config, module: string, name: string): void {
  if (denied === "reject") throw new LinkError("unknown import", module, name, "not permitted");
}

/** In place of a function that is not permitted: nothing contains the end it causes. */
function denied(module: string, name: string, { params, results }: HostDefinition): HostDefinition {
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
