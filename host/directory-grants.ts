/**
 * Directories that a process is given, and how it gives those inside them to its children: through
 * its own handles, component by component, never by a path of the host.
 */

import { withDirectory } from "./shared-directories.ts";
import type { Directory } from "./system.ts";
import { SystemError } from "./system.ts";

export interface DirectoryGrant {
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

/**
 * The directory at `path`, through whichever of the grants it lies in. Throws `GrantError` when it
 * lies in none, and for ".." and "~" anywhere.
 */
export function grantThrough(grants: readonly DirectoryGrant[], path: string): DirectoryGrant {
  const wanted = componentsOf(path);
  let best: { readonly grant: DirectoryGrant; readonly rest: readonly string[] } | null = null;
  for (const grant of grants) {
    const own = componentsOf(grant.name);
    if (own === null || wanted === null || isAbsolute(grant.name) !== isAbsolute(path)) continue;
    if (own.length > wanted.length || own.some((component, i) => component !== wanted[i])) continue;
    const rest = wanted.slice(own.length);
    if (best === null || rest.length < best.rest.length) best = { grant, rest };
  }
  if (best === null) throw new GrantError(`no directory ${JSON.stringify(path)} to give`);
  const { grant, rest } = best;
  if (path === grant.name) return grant;
  return { name: path, readOnly: grant.readOnly, open: () => openInside(grant, rest) };
}

/** Without "." and empty ones; null when there is one that no grant allows. */
function componentsOf(path: string): string[] | null {
  const components = path.split("/").filter((component) => component !== "" && component !== ".");
  return components.some((component) => component === ".." || component === "~" || component.includes("\0"))
    ? null
    : components;
}

function isAbsolute(path: string): boolean {
  return path.startsWith("/");
}

/** Symbolic links are not followed: `Directory.open` refuses them. */
function openInside(grant: DirectoryGrant, components: readonly string[]): Promise<Directory> {
  if (components.length === 0) return grant.open();
  return withDirectory(grant, async (root) => {
    let directory = root;
    for (const component of components) {
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
