/** Why a process, a name or a link could not be made: which limit of which group, and what it is. */

import { Account, type Group } from "./group.ts";

export type SpawnErrorKind =
  /** The runtime is disposed of. */
  | "disposed"
  /** The group is ending or has ended, or the process that was to have the name. */
  | "ended"
  /** There are as many processes as there may be. */
  | "processes"
  | "memory"
  | "names";

/** A process could not be made because a limit was reached, or nobody may make one any more. */
export class SpawnError extends Error {
  override readonly name = "SpawnError";
  readonly kind: SpawnErrorKind;

  constructor(kind: SpawnErrorKind, message: string) {
    super(message);
    this.kind = kind;
  }
}

/** Why a group refuses what needs one piece of an account, and so many bytes. */
export function refusal(...reasons: Parameters<typeof refusalOf>): SpawnError {
  const [kind, text] = refusalOf(...reasons);
  return new SpawnError(kind, text);
}

/** As {@link refusal}, for guests: making an error takes ten times as long as saying why. */
export function refusalOf(
  group: Group,
  what: "link" | "name" | "process",
  account: Account | null,
  byteLength: number,
): readonly [kind: SpawnErrorKind, text: string] {
  for (let each: Group | null = group; each !== null; each = each.parent) {
    if (each.hasClosed) return ["ended", `no ${what}: ${nameOf(each)} is ending or has ended`];
  }
  const full = account === null ? null : group.refusing(account, 1);
  if (full !== null && account !== null) {
    const kind = account === Account.Names ? "names" : "processes";
    const most = count(full.limit(account));
    return [kind, `no ${what}: ${nameOf(full)} has ${count(full.used(account))} ${kind} of at most ${most}`];
  }
  const short = group.refusing(Account.Memory, byteLength) ?? group;
  const isHost =
    short.isFullOfHost(byteLength) && short.used(Account.Memory) + byteLength <= short.limit(Account.Memory);
  const most = count(isHost ? short.maxHostMemory : short.limit(Account.Memory));
  const used = count(isHost ? short.hostBytes : short.used(Account.Memory));
  const where = isHost ? " in the host's heap" : "";
  return [
    "memory",
    `no ${what}: it takes ${count(byteLength)} bytes, ${nameOf(short)} has ${used} of at most ${most}${where}`,
  ];
}

/** As programs write numbers, whatever the host's language. */
function count(number: number): string {
  return number.toLocaleString("en-US");
}

function nameOf({ name, parent }: Group): string {
  if (name !== "") return `the group ${JSON.stringify(name)}`;
  return parent === null ? "the runtime's group" : "the group";
}
