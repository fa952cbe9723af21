/** Every process makes two more, again and again; where no more are allowed it burns what time it gets. */

import { Process } from "./lunatic/process";

export { __spawn } from "./lunatic/process";

function bomb(_: u64): void {
  for (;;) {
    Process.trySpawn(bomb);
    Process.trySpawn(bomb);
  }
}

export function _start(): void {
  bomb(0);
}
