/**
 * Lets senders go on for whom there is room in a mailbox, some in each turn: thousands may have room at once when a large message
 * is taken. The receiver's group pays.
 */

import type { Mailbox } from "./mailbox.ts";
import { Task, TurnEnd } from "./task.ts";

/** Senders of one turn, and the charge of each. */
const ADMITTED_PER_TURN = 256;
const ADMIT_CHARGE = 500;

export class Admission extends Task {
  readonly #mailbox: Mailbox;
  readonly #done: () => void;

  constructor(mailbox: Mailbox, done: () => void) {
    super();
    this.#mailbox = mailbox;
    this.#done = done;
  }

  override run(): TurnEnd {
    const admitted = this.#mailbox.admit(ADMITTED_PER_TURN);
    this.turnFuel = 0;
    this.turnCharge = (1 + admitted) * ADMIT_CHARGE;
    if (this.#mailbox.isAdmitting) return TurnEnd.Runnable;
    this.#done();
    return TurnEnd.Ended;
  }
}
