/** Types of a module's entities in words, as `inspect` writes them. */

import type { Module } from "../vm/module.ts";
import type { CompType, ExternKind, ExternType, FieldType, Limits, SubType, TableType } from "../vm/types.ts";
import { funcTypeText, Num, valTypeText } from "../vm/types.ts";

function fieldText({ storage, mutable }: FieldType): string {
  return mutable ? `(mut ${valTypeText(storage)})` : valTypeText(storage);
}

function compTypeText(type: CompType): string {
  switch (type.kind) {
    case "func":
      return funcTypeText(type);
    case "struct":
      return `(struct${type.fields.map((each) => ` ${fieldText(each)}`).join("")})`;
    case "array":
      return `(array ${fieldText(type.field)})`;
  }
}

export function subTypeText({ final, supers, comp }: SubType): string {
  if (final && supers.length === 0) return compTypeText(comp);
  return `(sub ${final ? "final " : ""}${supers.map((index) => `${index} `).join("")}${compTypeText(comp)})`;
}

function limitsText({ min, max }: Limits, unit: string): string {
  return `${min}${max === null ? " or more" : ` to ${max}`} ${unit}`;
}

function tableText({ limits, address, element }: TableType): string {
  return `${address === Num.I64 ? "i64, " : ""}${limitsText(limits, `of ${valTypeText(element)}`)}`;
}

export function externText({ types }: Module, type: ExternType): string {
  switch (type.kind) {
    case "func":
    case "tag": {
      const sub = types[type.typeIndex];
      return sub === undefined ? "" : `${type.typeIndex}: ${subTypeText(sub)}`;
    }
    case "memory": {
      const { limits, address, shared, pageSizeLog2 = 16 } = type.type;
      const pages = pageSizeLog2 === 16 ? "pages" : `pages of ${2 ** pageSizeLog2} bytes`;
      return `${address === Num.I64 ? "i64, " : ""}${limitsText(limits, pages)}${shared ? ", shared" : ""}`;
    }
    case "table":
      return tableText(type.type);
    case "global":
      return `${type.type.mutable ? "mutable " : ""}${valTypeText(type.type.type)}`;
  }
}

/** What an export means, as a type like an import's. Undefined for an index that does not exist. */
export function exportType(module: Module, kind: ExternKind, index: number): ExternType | undefined {
  switch (kind) {
    case "func": {
      const typeIndex = module.funcs[index];
      return typeIndex === undefined ? undefined : { kind, typeIndex };
    }
    case "tag": {
      const typeIndex = module.tags[index];
      return typeIndex === undefined ? undefined : { kind, typeIndex };
    }
    case "memory": {
      const type = module.memories[index];
      return type === undefined ? undefined : { kind, type };
    }
    case "table": {
      const type = module.tables[index]?.type;
      return type === undefined ? undefined : { kind, type };
    }
    case "global": {
      const type = module.globals[index]?.type;
      return type === undefined ? undefined : { kind, type };
    }
  }
}
