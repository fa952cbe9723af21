/**
 * A hash of what one host call gave its guest: the bytes written and the results. Equal runs have
 * equal hashes on every machine; it is no protection against anybody.
 */

const PRIME = 0x0100_0193;
const BASIS = 0x811c_9dc5;

/** FNV-1a of 32 bits over bytes. */
export class EffectHash {
  #hash = BASIS | 0;

  /** Unsigned. */
  get value(): number {
    return this.#hash >>> 0;
  }

  write(address: number, bytes: Uint8Array): void {
    this.#u32(address);
    let hash = this.#hash;
    for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i]!, PRIME);
    this.#hash = hash;
  }

  word(address: number, value: bigint): void {
    this.#u32(address);
    this.#u64(value);
  }

  /** A result of the function, or an argument. References are what they are in one process only: they count as none. */
  result(value: unknown): void {
    if (typeof value === "bigint") {
      this.#u64(value);
      if (BigInt.asIntN(64, value) !== value && BigInt.asUintN(64, value) !== value) this.#u64(value >> 64n);
    } else if (typeof value === "number") {
      if (Number.isInteger(value)) this.#u64(BigInt(value));
      else this.write(0, new Uint8Array(Float64Array.of(value).buffer));
    }
  }

  #u64(value: bigint): void {
    this.#u32(Number(BigInt.asIntN(32, value)));
    this.#u32(Number(BigInt.asIntN(32, value >> 32n)));
  }

  #u32(value: number): void {
    let hash = this.#hash;
    for (let shift = 0; shift < 32; shift += 8) hash = Math.imul(hash ^ ((value >>> shift) & 0xff), PRIME);
    this.#hash = hash;
  }
}
