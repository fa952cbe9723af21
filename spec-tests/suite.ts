/**
 * Where the official suite's data is and which scripts make up a run. The data is no part of the
 * project: it is found through SPEC_TESTSUITE or in `shared/spec-testsuite` beside the checkout.
 * Its README explains the gaps that {@link foldersOf} closes with the supplement.
 */

import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { NO_PROPOSALS, PROPOSALS, type Proposal, type Proposals } from "../vm/proposals.ts";

const CHECKOUT = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** The folders of the specification's repository that make up WebAssembly 3.0. */
export const FOLDERS_OF_3_0: readonly string[] = [
  "core",
  "bulk-memory",
  "exceptions",
  "gc",
  "memory64",
  "multi-memory",
  "relaxed-simd",
  "simd",
];

/** What a run without arguments covers. */
export const DEFAULT_FOLDERS: readonly string[] = [...FOLDERS_OF_3_0, "custom", "threads", ...PROPOSALS.map(folderOf)];

/** The folder of the suite with the scripts of a proposal. */
function folderOf(proposal: Proposal): string {
  return proposal === "legacy-exceptions" ? "legacy" : `proposals/${proposal}`;
}

/** One script: `folder` groups it in the report, `name` is its path in the suite or as given. */
export interface SuiteFile {
  readonly folder: string;
  readonly name: string;
  readonly path: string;
}

/** The proposals that a script is about: its folder is named after one. */
export function proposalsOf({ folder }: SuiteFile): Proposals {
  const named = PROPOSALS.find((name) => folder.endsWith(folderOf(name)));
  return named === undefined ? NO_PROPOSALS : new Set([named]);
}

/** The folder of the suite's data, or null where there is none. */
export function suiteRoot(environment: NodeJS.ProcessEnv = process.env): string | null {
  const named = environment["SPEC_TESTSUITE"];
  const candidate = named ? resolve(named) : join(CHECKOUT, "..", "shared", "spec-testsuite");
  return existsSync(join(candidate, "folders.json")) ? candidate : null;
}

/** What to tell someone who has no data. */
export const HOW_TO_GET_THE_SUITE =
  "The official suite's data was not found, so its scripts are skipped. To run them, point SPEC_TESTSUITE at a copy of\n" +
  "https://github.com/WebAssembly/testsuite that holds folders.json (each folder of the suite with its .wast files).";

/**
 * Every folder with its scripts. The supplement's newer files replace those of the same name, its
 * `memory_grow.wast` joins `core` (the root's file of that name belongs to `multi-memory`), and
 * `threads` is the supplement's: the mirror's `proposals/threads` predates WebAssembly 3.0.
 */
export function foldersOf(root: string): ReadonlyMap<string, readonly SuiteFile[]> {
  const listed = JSON.parse(readFileSync(join(root, "folders.json"), "utf8")) as Record<string, string[]>;
  const newer = new Map((listed["supplement/spec-main"] ?? []).map((name) => [basename(name), name]));
  const folders = new Map<string, SuiteFile[]>();
  for (const [key, names] of Object.entries(listed)) {
    if (key === "supplement/spec-main") continue;
    const folder = key.replace(/^supplement\//, "");
    const files = folder === "core" ? names.map((name) => newer.get(name) ?? name) : [...names];
    if (folder === "core") files.push(...[...newer.values()].filter((name) => !files.includes(name)));
    folders.set(
      folder,
      files.map((name) => ({ folder, name, path: join(root, name) })),
    );
  }
  return folders;
}

/** The scripts at a path of the file system: a file, or every .wast below a folder, in order of name. */
export function filesAt(path: string): SuiteFile[] {
  if (!statSync(path).isDirectory()) return [{ folder: dirname(path), name: path, path }];
  return readdirSync(path, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".wast"))
    .toSorted()
    .map((name) => join(path, name))
    .map((file) => ({ folder: dirname(file), name: relative(".", file), path: file }));
}

/**
 * Resolves the arguments of a run: names of folders of the suite, files of the suite, or paths of
 * the file system, which are preferred if they look like one. Throws a RangeError for one that is neither.
 */
export function selectFiles(root: string | null, words: readonly string[]): SuiteFile[] {
  const folders = root === null ? new Map<string, readonly SuiteFile[]>() : foldersOf(root);
  return words.flatMap((word) => {
    if (/\/|\.wast$/.test(word) && existsSync(word)) return filesAt(word);
    const folder = folders.get(word);
    if (folder !== undefined) return folder;
    const file = [...folders.values()].flat().find(({ name }) => name === word || basename(name, ".wast") === word);
    if (file !== undefined) return [file];
    if (existsSync(word)) return filesAt(word);
    throw new RangeError(`no such folder or file: ${word}`);
  });
}

/** The script's bytes. */
export function readScript(file: SuiteFile): Uint8Array {
  return readFileSync(file.path);
}
