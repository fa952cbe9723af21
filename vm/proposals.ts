/**
 * Proposals beyond WebAssembly 3.0 and threads that an engine accepts when it is asked to. Without
 * that a module which uses one is malformed or invalid, as 3.0 says.
 */

/** A proposal that an engine can be asked to accept. */
export type Proposal = "custom-page-sizes" | "wide-arithmetic";

/** All of them. */
export const PROPOSALS: readonly Proposal[] = ["custom-page-sizes", "wide-arithmetic"];

export type Proposals = ReadonlySet<Proposal>;

export const NO_PROPOSALS: Proposals = new Set();
