/**
 * Saves a script's store in the middle of its actions and goes on in the restored one. What a script remembers
 * between its commands are numbers of instances, so nothing else has to be found again.
 */

import {
  type CompiledModule,
  type Func,
  type Instance,
  type Invocation,
  type RestoreOptions,
  type SnapshotOptions,
  SnapshotError,
  Store,
} from "../vm/index.ts";
import { printFunction } from "./spectest.ts";
import { HostReference } from "./values.ts";

/** An action that goes on in one store after the other. */
export interface Run {
  invocation: Invocation;
  /** Ends what the invocation waits for, so that whoever waits with it looks at the next one. */
  release: () => void;
}

/** Whether to save at a pause, the ones of an action counted from 0, before its beginning. */
export type SaveChoice = (invocation: Invocation, pause: number) => boolean;

/** After 1, 4, 16, 64 … pauses: long actions have their share and no more. */
export const atPowersOfFour: SaveChoice = (_invocation, pause) => {
  let power = 1;
  while (power < pause) power *= 4;
  return power === pause;
};

const SAVE: SnapshotOptions = {
  externName: (value) => (value instanceof HostReference ? String(value.value) : undefined),
  hostFuncName: ({ store, address }: Func) => {
    const owner = store.ownerOf(address);
    return "definition" in owner ? owner.definition.name : undefined;
  },
};

const RESTORE: Omit<RestoreOptions, "modules"> = {
  extern: (name) => HostReference.of(Number(name)),
  hostFunc: printFunction,
};

/** What has come of a store. */
export interface Moved {
  readonly store: Store;
  readonly instances: readonly Instance[];
}

/** The store of `runs`, saved and restored; null if something stands in the way, which `refused` is told. */
export function moveStore(
  store: Store,
  instances: readonly Instance[],
  runs: readonly Run[],
  refused: (reason: string) => void,
): Moved | null {
  let bytes: Uint8Array;
  try {
    bytes = store.snapshot(
      runs.map(({ invocation }) => invocation),
      SAVE,
    );
  } catch (error) {
    if (!(error instanceof SnapshotError && error.kind === "unsavable")) throw error;
    refused(error.message);
    return null;
  }
  const modules = [...new Set<CompiledModule>(instances.map(({ module }) => module))];
  const restored = Store.restore(bytes, { ...RESTORE, modules });
  if (restored.instances.length !== instances.length) {
    throw new Error(`${instances.length} instances became ${restored.instances.length}`);
  }
  runs.forEach((run, index) => {
    run.invocation = restored.invocations[index]!;
    run.release();
  });
  return { store: restored.store, instances: restored.instances };
}
