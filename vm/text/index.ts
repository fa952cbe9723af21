/** The text format for embedders, `perilune/text`: apart from the engine, which starts faster without it. */

export { parseModule, type ParseOptions } from "./parser.ts";
export { invalidText } from "./places.ts";
export { printModule } from "./print.ts";
export { textToBinary } from "./to-binary.ts";
