/**
 * Links and monitors of one process: of whose ends it hears, and who hears of its own. The group of whoever hears pays for the
 * entry, and for the one notice that comes of it until that is read.
 */

import type { BasicProcess } from "./basic-process.ts";
import { Account } from "./group.ts";
import { LinkDied, ProcessDied } from "./message.ts";
import { NumberTable } from "./number-table.ts";
import { isFailure, NO_PROCESS, reasonOfLink, type ExitReason, type Pid } from "./signal.ts";

/** Charged to the group of whoever hears of the end: the entry, and room for the one notice. */
export const WATCH_BYTES = 256;

interface Link {
  readonly process: BasicProcess;
  /** What the other side is told when this one ends. */
  tag: bigint;
}

export class ProcessRelations {
  readonly #process: BasicProcess;
  #links: NumberTable<Link> | null = null;
  #watchers: NumberTable<BasicProcess> | null = null;
  #watching: NumberTable<BasicProcess> | null = null;

  constructor(process: BasicProcess) {
    this.#process = process;
  }

  /** Its links: what it is told when the other fails, and what the other is told. */
  *links(): Generator<{ readonly process: BasicProcess; readonly tag: bigint; readonly partnerTag: bigint }> {
    const { pid } = this.#process;
    for (const { process, tag } of this.#links?.values() ?? []) {
      yield { process, tag: process.relations.#links?.get(pid)?.tag ?? 0n, partnerTag: tag };
    }
  }

  get linkCount(): number {
    return this.#links?.size ?? 0;
  }

  /** Whom it monitors. */
  watching(): Iterable<BasicProcess> {
    return this.#watching?.values() ?? [];
  }

  // Links.

  /**
   * Links both ways: each side is told with `tag` when the other fails; with `partnerTag` the
   * other side is told with another one. One that has ended has failed already. False when a group refuses to pay.
   */
  link(other: BasicProcess, tag: bigint, partnerTag = tag): boolean {
    const process = this.#process;
    if (other === process) return true;
    const others = other.relations;
    if (other.hasEnded) return this.#linkToNobody(other.pid, tag);
    if (process.hasEnded) return others.#linkToNobody(process.pid, partnerTag);
    process.runtime.counts.signals++;
    if (!this.#addLink(other, partnerTag)) return false;
    if (!others.#addLink(process, tag)) {
      this.#removeLink(other.pid);
      return false;
    }
    if (process.runtime.trace !== null) other.traceSignal(process.pid, { kind: "link", tag: partnerTag });
    return true;
  }

  /** As {@link link}; one that does not exist has failed already. False when a group refuses to pay. */
  linkTo(pid: Pid, tag: bigint): boolean {
    const other = this.#process.visible(pid);
    return other === null ? this.#linkToNobody(pid, tag) : this.link(other, tag);
  }

  unlink(other: BasicProcess): void {
    const process = this.#process;
    process.runtime.counts.signals++;
    if (process.runtime.trace !== null) other.traceSignal(process.pid, { kind: "unlink" });
    this.#removeLink(other.pid);
    other.relations.#removeLink(process.pid);
  }

  #addLink(process: BasicProcess, tag: bigint): boolean {
    this.#links ??= new NumberTable();
    const known = this.#links.get(process.pid);
    if (known !== undefined) {
      known.tag = tag;
      return true;
    }
    if (!this.#pay()) return false;
    this.#links.set(process.pid, { process, tag });
    return true;
  }

  #removeLink(pid: Pid): void {
    if (this.#links?.delete(pid) !== undefined) this.#giveBack();
  }

  #linkToNobody(pid: Pid, tag: bigint): boolean {
    if (this.#process.hasEnded) return true;
    if (!this.#pay()) return false;
    this.#hearOfLink(pid, tag, NO_PROCESS);
    return true;
  }

  /** A linked process has ended. */
  #linkDied(pid: Pid, tag: bigint, reason: ExitReason): void {
    if (this.#links?.delete(pid) === undefined) return;
    if (!this.#process.hasEnded && isFailure(reason)) this.#hearOfLink(pid, tag, reason);
    else this.#giveBack();
  }

  #hearOfLink(pid: Pid, tag: bigint, reason: ExitReason): void {
    const process = this.#process;
    process.traceSignal(pid, { kind: "link-died", tag, reason });
    process.runtime.counts.signals++;
    process.runtime.counts.linksDied++;
    if (process.diesWithLinks) {
      this.#giveBack();
      process.kill(reasonOfLink(pid, reason));
      return;
    }
    this.#notice(new LinkDied(tag));
  }

  // Monitors.

  /** Hears of the end of `other`, whatever its cause; at once if it has ended. False when the group refuses to pay. */
  monitor(other: BasicProcess): boolean {
    const process = this.#process;
    if (process.hasEnded) return true;
    if (other.hasEnded) return this.#monitorNobody(BigInt(other.pid));
    this.#watching ??= new NumberTable();
    if (this.#watching.get(other.pid) !== undefined) return true;
    process.runtime.counts.signals++;
    if (!this.#pay()) return false;
    this.#watching.set(other.pid, other);
    const others = other.relations;
    others.#watchers ??= new NumberTable();
    others.#watchers.set(process.pid, process);
    if (process.runtime.trace !== null) other.traceSignal(process.pid, { kind: "monitor" });
    return true;
  }

  /** As {@link monitor}; one that does not exist has ended already. False when the group refuses to pay. */
  monitorPid(id: bigint): boolean {
    const other = this.#process.visible(Number(id));
    return other === null ? this.#monitorNobody(id) : this.monitor(other);
  }

  stopMonitoring(other: BasicProcess): void {
    if (!this.#unwatch(other)) return;
    const { pid, runtime } = this.#process;
    runtime.counts.signals++;
    if (runtime.trace !== null) other.traceSignal(pid, { kind: "stop-monitoring" });
  }

  #monitorNobody(id: bigint): boolean {
    if (!this.#pay()) return false;
    this.#hearOfEnd(id);
    return true;
  }

  /** A monitored process has ended. */
  #hearOfEnd(id: bigint): void {
    this.#process.traceSignal(Number(id), { kind: "process-died" });
    this.#process.runtime.counts.signals++;
    this.#notice(new ProcessDied(id));
  }

  #unwatch(other: BasicProcess): boolean {
    if (this.#watching?.delete(other.pid) === undefined) return false;
    this.#giveBack();
    other.relations.#watchers?.delete(this.#process.pid);
    return true;
  }

  // The price.

  #pay(): boolean {
    return this.#process.group.reserve(Account.Memory, WATCH_BYTES);
  }

  #giveBack(): void {
    this.#process.group.release(Account.Memory, WATCH_BYTES);
  }

  /** The room that was reserved for it is its own until it is read. */
  #notice(notice: LinkDied | ProcessDied): void {
    notice.takeOver(this.#process.group, WATCH_BYTES);
    this.#process.deliver(notice);
  }

  // The end of the process.

  /** Stops monitoring `limit` others at most. Returns how many. */
  unwatchSome(limit: number): number {
    let dropped = 0;
    for (let other = this.#watching?.oldest; other != null && dropped < limit; other = this.#watching!.oldest) {
      this.#unwatch(other.value);
      dropped++;
    }
    return dropped;
  }

  /** Tells `limit` of its links and monitors at most, links first. Returns how many. */
  tellSome(limit: number, reason: ExitReason): number {
    const { pid } = this.#process;
    let told = 0;
    for (let link = this.#links?.oldest; link != null && told < limit; link = this.#links!.oldest) {
      const { process, tag } = link.value;
      this.#removeLink(link.number);
      process.relations.#linkDied(pid, tag, reason);
      told++;
    }
    for (let entry = this.#watchers?.oldest; entry != null && told < limit; entry = this.#watchers!.oldest) {
      const { number, value: watcher } = entry;
      this.#watchers!.delete(number);
      watcher.relations.#watching?.delete(pid);
      watcher.relations.#hearOfEnd(BigInt(pid));
      told++;
    }
    return told;
  }
}
