/**
 * A plan: modules and what is done with them, as data that two processes can be given, and the lines that say what
 * came of each step. The engines stand behind {@link Machine}; everything else is the same for both. This file and
 * what it imports know nothing of our engine: they also run beside the other one.
 */

import {
  ARGUMENT_BYTES,
  ARGUMENTS_AT,
  FIRST_WORD,
  HOST_VALUES_EXPORT,
  MEMORY_EXPORT,
  RESET_EXPORT,
  STATE_EXPORT,
  wordsText,
} from "./words.ts";

/** Where an import comes from: an export of an instance of the plan. */
export interface Provision {
  readonly module: string;
  readonly name: string;
  /** The instance's number, in the order of the plan's instantiations, and its export; null: there is none. */
  readonly from: { readonly instance: number; readonly export: string } | null;
}

export type Step =
  /** Whether a module is valid. */
  | { readonly kind: "validate"; readonly label: string; readonly module: string }
  /** Makes the next instance. `observed`: the module is an observed copy. */
  | {
      readonly kind: "instantiate";
      readonly label: string;
      readonly module: string;
      readonly imports: readonly Provision[];
      readonly observed: boolean;
      /** The instance whose functions the module imports, which write down their calls; null if there is none. */
      readonly provider: number | null;
    }
  /** Calls an export of an observed copy. `bits`: by argument, hexadecimal; `hosts`: values of the host by number. */
  | {
      readonly kind: "call";
      readonly label: string;
      readonly instance: number;
      readonly export: string;
      readonly bits: readonly (string | null)[];
      readonly hosts: readonly (number | null)[];
    }
  /** Globals, tables, memories. */
  | { readonly kind: "state"; readonly label: string; readonly instance: number; readonly memories: readonly string[] };

export interface Plan {
  readonly id: string;
  /** Proposals that our engine has to accept. */
  readonly proposals: readonly string[];
  /** In base64. */
  readonly steps: readonly Step[];
}

/** How a step ended. `stop`: what follows cannot be compared. */
export interface End {
  readonly kind: "ok" | "trap" | "exception" | "link" | "invalid" | "stop";
  /** The class of the trap, or in the engine's words why it stopped. */
  readonly text: string;
}

export const OK: End = { kind: "ok", text: "" };

export interface Machine<Instance> {
  validate(bytes: Uint8Array): End;
  instantiate(
    bytes: Uint8Array,
    imports: readonly (Provision & { readonly instance: Instance | null })[],
  ): { end: End; instance: Instance | null };
  call(instance: Instance, name: string, hosts: readonly unknown[]): End;
  /** At most `limit` bytes of a memory from its beginning, and how many it has. */
  memory(instance: Instance, name: string, limit: number): { readonly bytes: Uint8Array; readonly byteLength: number };
  write(instance: Instance, name: string, address: number, bytes: Uint8Array): void;
  tableItem(instance: Instance, name: string, index: number): unknown;
  hash(bytes: Uint8Array): string;
}

/** Bytes of each memory that are compared. */
const MEMORY_LIMIT = 1 << 26;

interface Living<Instance> {
  readonly instance: Instance;
  readonly observed: boolean;
  readonly provider: Living<Instance> | null;
}

/** Values of the host: an object each, so that none of them is a number that WebAssembly takes for an i31. */
const hostValues: { readonly number: number }[] = [];

function hostValue(number: number): { readonly number: number } {
  for (let next = hostValues.length; next <= number; next++) hostValues.push({ number: next });
  return hostValues[number]!;
}

/** One line for each step that was done. */
export function runPlan<Instance>(plan: Plan, machine: Machine<Instance>): string[] {
  const lines: string[] = [];
  const instances: (Living<Instance> | null)[] = [];
  const shown = ({ instance }: Living<Instance>): string =>
    wordsText(machine.memory(instance, MEMORY_EXPORT, ARGUMENTS_AT).bytes, (index) => {
      const value = machine.tableItem(instance, HOST_VALUES_EXPORT, index);
      const number = hostValues.indexOf(value as { readonly number: number });
      return number < 0 ? `host:${typeof value}` : `host:${number}`;
    });
  /** What the functions that were imported wrote down. */
  const calls = ({ provider }: Living<Instance>): string => {
    if (provider === null) return "";
    const text = shown(provider);
    machine.call(provider.instance, RESET_EXPORT, []);
    return text === "" ? "" : ` after ${text}`;
  };
  for (const step of plan.steps) {
    let end: End = OK;
    let text = "";
    switch (step.kind) {
      case "validate":
        end = machine.validate(bytesOf(step.module));
        break;
      case "instantiate": {
        const imports = step.imports.map((provision) => ({
          ...provision,
          instance: provision.from === null ? null : (instances[provision.from.instance]?.instance ?? null),
        }));
        const made = machine.instantiate(bytesOf(step.module), imports);
        end = made.end;
        const provider = step.provider === null ? null : (instances[step.provider] ?? null);
        const living = made.instance === null ? null : { instance: made.instance, observed: step.observed, provider };
        if (provider !== null) text = calls({ ...provider, provider });
        instances.push(living);
        break;
      }
      case "call": {
        const living = instances[step.instance];
        if (!living) {
          text = "no instance";
          break;
        }
        const { instance } = living;
        step.bits.forEach((bits, index) => {
          if (bits !== null)
            machine.write(instance, MEMORY_EXPORT, ARGUMENTS_AT + index * ARGUMENT_BYTES, littleEndian(bits));
        });
        // A call that cannot begin must not show what an earlier one wrote.
        machine.write(instance, MEMORY_EXPORT, 0, Uint8Array.of(FIRST_WORD, 0, 0, 0, 0, 0, 0, 0));
        end = machine.call(
          instance,
          step.export,
          step.hosts.map((number) => (number === null ? null : hostValue(number))),
        );
        text = shown(living) + calls(living);
        break;
      }
      case "state": {
        const living = instances[step.instance];
        if (!living) {
          text = "no instance";
          break;
        }
        end = machine.call(living.instance, STATE_EXPORT, []);
        text = shown(living);
        step.memories.forEach((name) => {
          const { bytes, byteLength } = machine.memory(living.instance, name, MEMORY_LIMIT);
          text += ` ${name.replace("observed:", "")}: ${byteLength} bytes ${machine.hash(bytes)}`;
        });
        break;
      }
      default:
    }
    const ending = end.kind === "ok" ? "" : `${end.kind} (${end.text})`;
    lines.push(`${step.label}: ${[ending, text.trim()].filter((part) => part !== "").join(" ")}`);
    if (end.kind === "stop") break;
  }
  return lines;
}

export function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(Buffer.from(base64, "base64"));
}

export function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

/** JSON on one line for every reader: names may have characters that some take for the end of a line. */
export function lineOf(value: unknown): string {
  const escaped = JSON.stringify(value).replace(
    /[\u0080-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `${escaped}\n`;
}

/** 16 bytes of a hexadecimal number. */
function littleEndian(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.padStart(32, "0"), "hex").reverse());
}
