/**
 * Proposals beyond WebAssembly 3.0 and threads that an engine accepts when it is asked to. Without
 * that a module which uses one is malformed or invalid, as 3.0 says.
 */

/**
 * A proposal that an engine can be asked to accept. `legacy-exceptions`: the deprecated `try`, `catch`, `delegate` and
 * `rethrow`, which shipped toolchains still emit.
 */
export type Proposal = "custom-page-sizes" | "legacy-exceptions" | "wide-arithmetic";

/** All of them. */
export const PROPOSALS: readonly Proposal[] = ["custom-page-sizes", "legacy-exceptions", "wide-arithmetic"];

export type Proposals = ReadonlySet<Proposal>;

export const NO_PROPOSALS: Proposals = new Set();
