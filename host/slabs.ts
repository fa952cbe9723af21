/**
 * Where small linear memories lie: windows of large buffers whose pages the system provides when
 * they are first touched, so a process costs what it has touched.
 */

import { SEPARATE_BUFFERS, type MemoryAllocator } from "../vm/index.ts";

export class SlabAllocator {
  static get shared(): MemoryAllocator {
    return SEPARATE_BUFFERS;
  }
}
