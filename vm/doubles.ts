/**
 * What fields begin with whose numbers outgrow small integers: a zero that V8 keeps as a double. Else it would
 * change the shape of their objects when the first of them outgrows 2^31, in the middle of a run, and throw away all
 * code that was optimised for the old shape: the hot loop, for half a second.
 */
export const DOUBLE_ZERO = -0;
