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
import { decideImport, type ImportDecision } from "./import-policy.ts";
import { checkShape, maxPlansOf } from "./module-shape.ts";
import { requireScriptedFunction } from "./scripted.ts";
import { wasiImport } from "./wasi-imports.ts";

/** The functions of one or several namespaces; undefined for imports that are none of them. */
export type FunctionProvider = (module: string, name: string, type: ExternDescriptor) => HostDefinition | undefined;

interface Plans {
  /** Without any policy. Null where that cannot be: a function is not scripted, or only a redirection provides it. */
  readonly whole: LinkPlan | null;
  readonly byPolicy: Map<string, LinkPlan>;
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
    const { whole, byPolicy } = this.#plansOf(module);
    if (whole !== null && config.policies.length === 0) return whole;
    const key = config.policyKey;
    let plan = byPolicy.get(key);
    if (plan === undefined) {
      plan = this.#make(module, config, whole);
      if (byPolicy.size >= maxPlansOf(module)) byPolicy.delete(byPolicy.keys().next().value!);
      byPolicy.set(key, plan);
    }
    return plan;
  }

  #plansOf(module: CompiledModule): Plans {
    let plans = this.#plans.get(module);
    if (plans === undefined) {
      checkShape(module.data);
      plans = { whole: this.#whole(module), byPolicy: new Map() };
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
    const decisions = new Map<string, ImportDecision>();
    const { policies } = config;
    if (whole === null || policies.some(({ redirects }) => redirects)) {
      return new LinkPlan(module, (from, name, type) => this.#resolve(config, decisions, from, name, type));
    }
    return whole.replacing((from, name, definition) =>
      decidedOnce(config, decisions, `${from}::${name}`) === "granted" ? null : denied(config, from, name, definition),
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
  #resolve(
    config: Config,
    decisions: Map<string, ImportDecision>,
    module: string,
    name: string,
    type: ExternDescriptor,
  ): HostDefinition | undefined {
    const definition = this.find(module, name, type);
    if (definition === undefined && !config.policies.some(({ redirects }) => redirects)) return undefined;
    const fullName = `${module}::${name}`;
    const decision = decidedOnce(config, decisions, fullName);
    const chosen = typeof decision === "object" ? decision : decision === "granted" ? definition : null;
    if (chosen !== null && chosen !== undefined) {
      if (this.#isDeterministic) requireScriptedFunction(fullName, chosen);
      return this.#isTraced ? traced(chosen, fullName) : chosen;
    }
    return definition === undefined ? undefined : denied(config, module, name, definition);
  }
}

/** What the policies say of a name that may be imported many times. */
function decidedOnce({ policies }: Config, decisions: Map<string, ImportDecision>, fullName: string): ImportDecision {
  let decision = decisions.get(fullName);
  if (decision === undefined) {
    decision = decideImport(policies, fullName);
    decisions.set(fullName, decision);
  }
  return decision;
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
