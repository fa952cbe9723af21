/** Stores as data: what `Store.snapshot` and `Store.restore` are made of. */

export { checksumOf } from "./format.ts";
export { type OutputAccount, STEP_BYTES } from "./output.ts";
export { Restoration, restoreStore, type Restored, type RestoreOptions } from "./restore.ts";
export { moduleHash, Saving, saveStore, type SnapshotOptions } from "./save.ts";
