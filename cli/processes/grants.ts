/**
 * What the main process is given. `perilune run` grants standard streams, clocks and randomness,
 * and what its options ask for; `perilune lunatic run` grants what Lunatic does. The choice is the
 * command's, never the module's.
 */

import {
  type ConfigOptions,
  type DirectoryGrant,
  type FunctionProvider,
  type GroupLimits,
  guestFunctions,
  lunaticFunctions,
  namesImport,
} from "../../host/index.ts";
import { Termination } from "../../vm/index.ts";
import { OptionError } from "../exit.ts";
import {
  directoryError,
  type DirectoryOption,
  environmentOf,
  parseBytes,
  parseCount,
  parseDirectory,
} from "../options.ts";
import { field } from "../report.ts";

/** As commander gives them. */
export interface GrantOptions {
  readonly dir?: readonly string[];
  readonly env?: readonly string[];
  readonly inheritEnv?: boolean;
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
  readonly fuel?: string;
  readonly maxMemory?: string;
  readonly maxProcesses?: string;
}

/** From what command lines have that commander does not read. Of limits the last counts. */
export function grantOptions(values: ReadonlyMap<string, readonly string[]>): GrantOptions {
  const fuel = values.get("--fuel")?.at(-1);
  const maxMemory = values.get("--max-memory")?.at(-1);
  const maxProcesses = values.get("--max-processes")?.at(-1);
  return {
    dir: values.get("--dir") ?? [],
    deny: values.get("--deny") ?? [],
    ...(fuel === undefined ? {} : { fuel }),
    ...(maxMemory === undefined ? {} : { maxMemory }),
    ...(maxProcesses === undefined ? {} : { maxProcesses }),
  };
}

export interface Grants {
  /** What there is to import besides WASI. */
  readonly functions: FunctionProvider;
  /** Of the main process, and the most that any other gets. */
  readonly config: ConfigOptions;
  /** Of all processes together. */
  readonly limits: GroupLimits;
}

/** What every program may import: WASI, which is empty without grants. */
const OPEN_IMPORTS = ["wasi_snapshot_preview1::*"];

export async function askedGrants(args: readonly string[], options: GrantOptions): Promise<Grants> {
  return {
    functions: guestFunctions,
    config: {
      args,
      env: environmentOf(options.env ?? [], options.inheritEnv ?? false, process.env),
      preopens: await directoryGrants((options.dir ?? []).map(parseDirectory)),
      imports: {
        allow: [...OPEN_IMPORTS, ...patterns("--allow", options.allow)],
        deny: patterns("--deny", options.deny),
      },
      visibility: "all",
    },
    limits: limitsOf(options),
  };
}

/** All of our environment, the working directory and every directory asked for, the network, and all imports that Lunatic has. */
export async function lunaticGrants(args: readonly string[], options: GrantOptions): Promise<Grants> {
  const directories = [".", ...(options.dir ?? [])].map(
    (path): DirectoryOption => ({ hostPath: path, guestPath: path, readOnly: false }),
  );
  const deny = patterns("--deny", options.deny);
  return {
    functions: lunaticFunctions,
    config: {
      args,
      env: environmentOf(options.env ?? [], true, process.env),
      preopens: await directoryGrants(directories),
      network: true,
      visibility: "all",
      ...(deny.length === 0 ? {} : { imports: { deny } }),
    },
    limits: limitsOf(options),
  };
}

export function limitsOf({ fuel, maxMemory, maxProcesses }: GrantOptions): GroupLimits {
  return {
    ...(fuel === undefined ? {} : { maxFuel: parseCount("--fuel", fuel) }),
    ...(maxMemory === undefined ? {} : { maxMemory: parseBytes("--max-memory", maxMemory) }),
    ...(maxProcesses === undefined ? {} : { maxProcesses: parseCount("--max-processes", maxProcesses) }),
  };
}

/** They are opened when the first process has them; that they can be is found out here. */
export async function directoryGrants(directories: readonly DirectoryOption[]): Promise<DirectoryGrant[]> {
  if (directories.length === 0) return [];
  const { openDirectory } = await import("../../host/node/files.ts");
  return Promise.all(
    directories.map(async ({ hostPath, guestPath, readOnly }) => {
      try {
        await (await openDirectory(hostPath)).close();
      } catch (error) {
        throw directoryError(hostPath, error);
      }
      return { name: guestPath, readOnly, open: () => openDirectory(hostPath) };
    }),
  );
}

/** What Lunatic has and we have not: programs may be denied it all the same. */
const FOREIGN = ["lunatic::networking::", "lunatic::sqlite::"];

/**
 * "namespace::name" with "*" for any text; a namespace alone means all of it. One that names nothing is refused: the
 * program would be denied what it was to have, or have what it was to be denied.
 */
export function patterns(option: string, texts: readonly string[] = []): string[] {
  return texts.flatMap((text) => {
    const all = `${text}::*`;
    const meant = text.includes("*") ? [text] : text.includes("::") ? [text, all] : [all];
    const isKnown = meant.some(
      (pattern) => namesImport(pattern) || FOREIGN.some((namespace) => pattern.startsWith(namespace)),
    );
    if (!isKnown)
      throw new OptionError(`${option} '${text}' names no import that there is, as 'lunatic::process::*' does`);
    return meant;
  });
}

/** For the end of a process that called what it may not: which option would let it, or does not. "" for other ends. */
export function deniedHint(error: unknown, { config: { imports = {} } }: Grants): string {
  if (!(error instanceof Termination) || error.reason !== "import denied") return "";
  const name = /^import denied: (\S+) is not permitted$/.exec(error.message)?.[1] ?? "";
  const denying = imports.deny?.find((pattern) => matches(pattern, name));
  if (denying !== undefined) return `\n    (--deny '${field(denying)}' forbids it)`;
  const namespace = field(name.split("::")[0] ?? "");
  const all = `--allow '${namespace}::*'`;
  const hint =
    namespace === "lunatic"
      ? `${all} permits what programs for Lunatic import, 'perilune lunatic run' grants what Lunatic does`
      : `${all} permits all that begins so, --allow '${field(name)}' this alone`;
  return `\n    (${hint})`;
}

/** As the host matches them: "*" stands for any text. */
function matches(pattern: string, name: string): boolean {
  const parts = pattern.split("*").map((part) => part.replace(/\W/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`).test(name);
}
