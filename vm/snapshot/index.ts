/** Stores as data: what `Store.snapshot` and `Store.restore` are made of. */

export { restoreStore, type Restored, type RestoreOptions } from "./restore.ts";
export { moduleHash, saveStore, type SnapshotOptions } from "./save.ts";
