/** The typing rules of bulk memory and table instructions (spec: valid-instr-memory, valid-instr-table). */

import { Op } from "../opcodes.ts";
import { Num, type AddressType } from "../types.ts";
import type { Lookups } from "./lookups.ts";

/** The memory and table instructions whose operands depend on two index spaces or on an element type. */
export function validateBulk(v: Lookups, op: Op): void {
  const { reader } = v;
  switch (op) {
    case Op.MemoryCopy: {
      const target = v.memory(reader.u32()).address;
      const source = v.memory(reader.u32()).address;
      popCopy(v, target, source);
      return;
    }
    case Op.TableInit: {
      const elemIndex = reader.u32();
      const tableIndex = reader.u32();
      const { address } = v.table(tableIndex);
      v.require(v.elementType(elemIndex), v.tableElement(tableIndex));
      v.pop(Num.I32);
      v.pop(Num.I32);
      v.pop(address);
      return;
    }
    case Op.TableCopy: {
      const targetIndex = reader.u32();
      const sourceIndex = reader.u32();
      const target = v.table(targetIndex).address;
      const source = v.table(sourceIndex).address;
      v.require(v.tableElement(sourceIndex), v.tableElement(targetIndex));
      popCopy(v, target, source);
      return;
    }
    case Op.TableGrow: {
      const index = reader.u32();
      const { address } = v.table(index);
      v.pop(address);
      v.pop(v.tableElement(index));
      v.push(address);
      return;
    }
    case Op.TableSize:
      v.push(v.table(reader.u32()).address);
      return;
    default: {
      // table.fill
      const index = reader.u32();
      const { address } = v.table(index);
      v.pop(address);
      v.pop(v.tableElement(index));
      v.pop(address);
    }
  }
}

/** Target and source address, and a length in the smaller of the two address types. */
function popCopy(v: Lookups, target: AddressType, source: AddressType): void {
  v.pop(target === Num.I64 && source === Num.I64 ? Num.I64 : Num.I32);
  v.pop(source);
  v.pop(target);
}
