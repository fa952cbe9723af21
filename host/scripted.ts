/**
 * What a run by a seed refuses: services, directories and functions that do not say that they are scripted, since what is real
 * comes when it comes and would be in every trace.
 */

import type { HostDefinition } from "../vm/index.ts";
import type { DirectoryGrant } from "./directory-grants.ts";
import { isOurs } from "./functions/traced.ts";
import type { Services } from "./runtime-core.ts";
import type { Scripted } from "./system.ts";

function requireScripted(what: string, { isScripted = false }: Scripted): void {
  if (!isScripted) throw new TypeError(`${what} is real: a run by a seed takes what says isScripted`);
}

/** Throws `TypeError` that names what is real; so do the others. */
export function requireScriptedServices(services: Partial<Services>): void {
  for (const [name, service] of Object.entries(services)) if (service !== undefined) requireScripted(name, service);
}

export function requireScriptedGrants(grants: readonly DirectoryGrant[]): void {
  for (const grant of grants) requireScripted(`the directory ${JSON.stringify(grant.name)}`, grant);
}

/** WASI's wait for services alone; functions of other kinds answer at once, or as they please. */
export function requireScriptedFunction(name: string, definition: HostDefinition): void {
  if (definition.kind === "async" && !isOurs(definition)) requireScripted(`the async function ${name}`, definition);
}
