/**
 * Directories that a process is given, and how it gives those inside them to its children: through
 * its own handles, component by component, never by a path of the host.
 */

import { laterTurn } from "./give-way.ts";
import { withDirectory } from "./shared-directories.ts";
import type { Directory, Scripted } from "./system.ts";
import { SystemError } from "./system.ts";

export interface DirectoryGrant extends Scripted {
  /** As the guest sees it: "/", "data", … */
  readonly name: string;
  readonly readOnly: boolean;
  /** Called when nobody has it: all that have the grant share a handle until the last of them has ended. */
  open(): Promise<Directory>;
}

/** A guest asked for a directory for its child that it does not have itself. */
export class GrantError extends Error {
  override readonly name = "GrantError";
}

/** UTF-16 units of the path of a directory that a guest gives on, and its components. */
export const MAX_DIRECTORY_LENGTH = 4_096;
const MAX_COMPONENTS = 128;
/** Directories that are opened on the way before others run. */
const STEPS_AT_ONCE = 8;

/** What a grant is that was made here: the same as another under another name, or some directories inside it. */
interface Origin {
  readonly grant: DirectoryGrant;
  /** Directories that are opened to open it, in all. */
  readonly steps: number;
}

const origins = new WeakMap<DirectoryGrant, Origin>();
const components = new WeakMap<DirectoryGrant, readonly string[] | null>();

/**
 * The directory at `path`, through whichever of the grants it lies in. Throws `GrantError` when it
 * lies in none, for ".." and "~" anywhere, and for a path that is too long.
 */
export function grantThrough(grants: readonly DirectoryGrant[], path: string): DirectoryGrant {
  if (path.length > MAX_DIRECTORY_LENGTH) throw new GrantError(`a directory's path of ${path.length} characters`);
  const wanted = componentsOf(path);
  if (wanted !== null && wanted.length > MAX_COMPONENTS) {
    throw new GrantError(`a directory ${wanted.length} levels deep, at most ${MAX_COMPONENTS} allowed`);
  }
  let best: { readonly grant: DirectoryGrant; readonly rest: readonly string[] } | null = null;
  for (const grant of grants) {
    const own = ownComponents(grant);
    if (own === null || wanted === null || isAbsolute(grant.name) !== isAbsolute(path)) continue;
    if (own.length > wanted.length || own.some((component, i) => component !== wanted[i])) continue;
    const rest = wanted.slice(own.length);
    if (best === null || rest.length < best.rest.length) best = { grant, rest };
  }
  if (best === null) throw new GrantError(`no directory ${JSON.stringify(path)} to give`);
  const { grant, rest } = best;
  if (path === grant.name) return grant;
  // Names of names would be a chain as long as the generations.
  const origin = origins.get(grant);
  const outer = rest.length === 0 && origin !== undefined ? origin : { grant, steps: origin?.steps ?? 0 };
  const { readOnly, isScripted = false } = grant;
  const made: DirectoryGrant = { name: path, readOnly, isScripted, open: () => openInside(outer.grant, rest) };
  origins.set(made, rest.length === 0 ? outer : { grant: made, steps: outer.steps + rest.length });
  return made;
}

/** Directories that are opened on the way from those of the embedder to this one. */
export function stepsOf(grant: DirectoryGrant): number {
  return origins.get(grant)?.steps ?? 0;
}

function ownComponents(grant: DirectoryGrant): readonly string[] | null {
  let own = components.get(grant);
  if (own === undefined) {
    own = componentsOf(grant.name);
    components.set(grant, own);
  }
  return own;
}

/** Without "." and empty ones; null when there is one that no grant allows. */
function componentsOf(path: string): string[] | null {
  const all = path.split("/").filter((component) => component !== "" && component !== ".");
  return all.some((component) => component === ".." || component === "~" || component.includes("\0")) ? null : all;
}

function isAbsolute(path: string): boolean {
  return path.startsWith("/");
}

/** Symbolic links are not followed: `Directory.open` refuses them. */
function openInside(grant: DirectoryGrant, rest: readonly string[]): Promise<Directory> {
  if (rest.length === 0) return grant.open();
  return withDirectory(grant, async (root) => {
    let directory = root;
    for (const [i, component] of rest.entries()) {
      if (i % STEPS_AT_ONCE === STEPS_AT_ONCE - 1) await laterTurn();
      let next: Awaited<ReturnType<Directory["open"]>>;
      try {
        next = await directory.open(component, { read: true, write: false, directory: true });
      } finally {
        if (directory !== root) await directory.close();
      }
      if (next.kind !== "directory") {
        await next.close();
        throw new SystemError("ENOTDIR", component);
      }
      directory = next;
    }
    return directory;
  });
}
