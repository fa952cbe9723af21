/** Exit codes: the shell's conventions, and a guest's own code. */

export const EXIT_FAILURE = 1;
/** Wrong usage, and files that are no valid modules or cannot be linked. */
export const EXIT_USAGE = 2;
export const EXIT_TIMEOUT = 124;
/** Returned, or ended by the timeout, and what was to be saved is lost. */
export const EXIT_UNSAVED = 125;
export const EXIT_TRAP = 134;
/** Ended by a limit: fuel or memory. */
export const EXIT_LIMIT = 137;
const SIGNAL_BASE = 128;
export const EXIT_SIGINT = SIGNAL_BASE + 2;
export const EXIT_SIGPIPE = SIGNAL_BASE + 13;
export const EXIT_SIGTERM = SIGNAL_BASE + 15;

/** The eight bits that a parent process sees; a failure never looks like success. */
export function exitCodeOf(guestCode: number): number {
  const code = guestCode & 0xff;
  return code === 0 && guestCode !== 0 ? EXIT_FAILURE : code;
}

/** One line for the user, about the command line or a file: no fault of ours and no backtrace. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** About the command line alone: it names what is wrong there, and no file. */
export class OptionError extends UsageError {
  /** `command`: whose help tells more; "" is the command line's own. */
  constructor(message: string, command: string | null = null) {
    const help = command === null ? "" : ` (${["perilune", command].join(" ").trim()} --help tells more)`;
    super(`${message}${help}`);
  }
}

/** The run is over because of something outside the guest. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
  readonly exitCode: number;
  /** As in the statistics. */
  readonly reason: "closed" | "deadlock" | "signal" | "timeout";

  constructor(reason: Interrupted["reason"], exitCode: number, message: string) {
    super(message);
    this.reason = reason;
    this.exitCode = exitCode;
  }
}
