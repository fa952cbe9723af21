/** `perilune inspect`: what is in a module, as tables, as JSON, or as text. */

import type { CompiledModule } from "../../vm/index.ts";
import { EXIT_USAGE, OptionError } from "../exit.ts";
import { compileModule, displayName, readModule } from "../input.ts";
import { engineWith } from "../options.ts";
import { errorReport, field } from "../report.ts";
import { guardOutput, say } from "../streams.ts";
import { type SectionHeader, sectionsOf } from "../sections.ts";
import { exportType, externText, subTypeText } from "../types.ts";

export interface InspectOptions {
  readonly wat?: boolean;
  readonly json?: boolean;
  readonly proposal?: readonly string[];
}

export async function inspectCommand(file: string, options: InspectOptions): Promise<number> {
  if (options.wat === true && options.json === true) {
    throw new OptionError("--wat and --json are two forms of output: leave one of them out", "inspect");
  }
  guardOutput();
  const name = displayName(file);
  try {
    const engine = engineWith(options.proposal);
    const bytes = await readModule(file, engine.proposals);
    const module = await compileModule(bytes, { engine });
    if (options.wat === true) {
      const { printModule } = await import("../../vm/text/print.ts");
      process.stdout.write(`${printModule(module.data).trimEnd()}\n`);
      return 0;
    }
    const description = describe(module, sectionsOf(bytes), bytes.length);
    process.stdout.write(
      options.json === true ? `${JSON.stringify(description, null, 2)}\n` : `${field(name)}: ${textOf(description)}\n`,
    );
    return 0;
  } catch (error) {
    say(errorReport(name, error));
    return EXIT_USAGE;
  }
}

interface Description {
  readonly byteLength: number;
  readonly sections: readonly SectionHeader[];
  readonly types: readonly string[];
  readonly imports: readonly {
    readonly module: string;
    readonly name: string;
    readonly kind: string;
    readonly type: string;
  }[];
  readonly exports: readonly {
    readonly name: string;
    readonly kind: string;
    readonly index: number;
    readonly type: string;
  }[];
  /** How many of each the module has, imported ones included. */
  readonly counts: Readonly<Record<string, number>>;
  readonly start: number | null;
}

function describe(module: CompiledModule, sections: readonly SectionHeader[], byteLength: number): Description {
  const { data } = module;
  return {
    byteLength,
    sections,
    types: data.types.map(subTypeText),
    imports: data.imports.map(({ module: from, name, type }) => ({
      module: from,
      name,
      kind: type.kind,
      type: externText(data, type),
    })),
    exports: data.exports.map(({ name, kind, index }) => {
      const type = exportType(data, kind, index);
      return { name, kind, index, type: type === undefined ? "" : externText(data, type) };
    }),
    counts: {
      functions: data.funcs.length,
      tables: data.tables.length,
      memories: data.memories.length,
      globals: data.globals.length,
      tags: data.tags.length,
      "element segments": data.elements.length,
      "data segments": data.data.length,
    },
    start: data.start,
  };
}

function textOf(description: Description): string {
  const { sections, types, imports, exports, counts, start } = description;
  const grouped = (value: number) => value.toLocaleString("en");
  const blocks = [`${grouped(description.byteLength)} bytes`];
  const present = Object.entries(counts).filter(([, count]) => count > 0);
  if (present.length > 0) blocks.push(present.map(([what, count]) => `${what}: ${grouped(count)}`).join(", "));
  if (start !== null) blocks.push(`start function: ${start}`);
  blocks.push(
    block("Sections", [
      ["", "offset", "bytes", "entries"],
      ...sections.map(({ id, name, offset, byteLength, count }) => [
        id === 0 ? `custom "${field(name)}"` : name,
        `0x${offset.toString(16)}`,
        grouped(byteLength),
        count === null ? "" : grouped(count),
      ]),
    ]),
  );
  if (types.length > 0)
    blocks.push(
      block(
        "Types",
        types.map((type, i) => [String(i), type]),
      ),
    );
  if (imports.length > 0) {
    blocks.push(
      block(
        "Imports",
        imports.map(({ module, name, kind, type }) => [field(module), field(name), kind, type]),
      ),
    );
  }
  if (exports.length > 0) {
    blocks.push(
      block(
        "Exports",
        exports.map(({ name, kind, index, type }) => [field(name), `${kind} ${index}`, type]),
      ),
    );
  }
  return blocks.join("\n");
}

/** Rows under a title, columns aligned, the last one as long as it is. */
function block(title: string, rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, Math.min(cell.length, 48));
    });
  }
  const lines = rows.map((row) =>
    `  ${row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join("  ")}`.trimEnd(),
  );
  return `\n${title}\n${lines.join("\n")}`;
}
