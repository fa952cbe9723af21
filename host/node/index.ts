/** The platform services of `host`, as Node has them. */

export { NODE_EVENT_LOOP, NodeClock, NodeRandom } from "./clock.ts";
export { keepCollectionsShort } from "./collections.ts";
export { openDirectory } from "./files.ts";
export { NodeInput, NodeOutput, standardError, standardInput, standardOutput } from "./stdio.ts";
