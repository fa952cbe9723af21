/** SHA-256 (FIPS 180-4): names modules and guards snapshots. Synchronous, and the same in every host. */

const ROUND_CONSTANTS = new Int32Array(64);
const INITIAL_STATE = new Int32Array(8);

/** The constants are the fractions of roots of the first primes. */
function fillConstants(): void {
  const fraction = (root: number) => ((root - Math.floor(root)) * 0x1_0000_0000) | 0;
  for (let candidate = 2, count = 0; count < 64; candidate++) {
    let isPrime = true;
    for (let divisor = 2; divisor * divisor <= candidate; divisor++) if (candidate % divisor === 0) isPrime = false;
    if (!isPrime) continue;
    if (count < 8) INITIAL_STATE[count] = fraction(Math.sqrt(candidate));
    ROUND_CONSTANTS[count++] = fraction(Math.cbrt(candidate));
  }
}
fillConstants();

const BLOCK_BYTES = 64;

const STEP_BYTES = 262_144;

/** The 32 bytes of the hash. */
export function sha256(bytes: Uint8Array): Uint8Array {
  const steps = sha256Steps(bytes);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** As {@link sha256}, in steps of a millisecond or two. */
export function* sha256Steps(bytes: Uint8Array): Generator<void, Uint8Array> {
  const state = INITIAL_STATE.slice();
  const schedule = new Int32Array(64);
  const whole = bytes.length - (bytes.length % BLOCK_BYTES);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < whole; ) {
    const end = Math.min(whole, at + STEP_BYTES);
    for (; at < end; at += BLOCK_BYTES) compress(state, schedule, view, at);
    if (at < whole) yield;
  }
  // The rest, a bit that is set, and the length in bits.
  const rest = bytes.length - whole;
  const last = new DataView(new ArrayBuffer(rest < BLOCK_BYTES - 8 ? BLOCK_BYTES : 2 * BLOCK_BYTES));
  for (let i = 0; i < rest; i++) last.setUint8(i, bytes[whole + i]!);
  last.setUint8(rest, 0x80);
  last.setBigUint64(last.byteLength - 8, BigInt(bytes.length) * 8n);
  for (let at = 0; at < last.byteLength; at += BLOCK_BYTES) compress(state, schedule, last, at);
  const hash = new DataView(new ArrayBuffer(32));
  for (let i = 0; i < 8; i++) hash.setInt32(i * 4, state[i]!);
  return new Uint8Array(hash.buffer);
}

function compress(state: Int32Array, w: Int32Array, view: DataView, at: number): void {
  for (let i = 0; i < 16; i++) w[i] = view.getInt32(at + i * 4);
  for (let i = 16; i < 64; i++) {
    const x = w[i - 15]!;
    const y = w[i - 2]!;
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    w[i] = (w[i - 16]! + s0 + w[i - 7]! + s1) | 0;
  }
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;
  let e = state[4]!;
  let f = state[5]!;
  let g = state[6]!;
  let h = state[7]!;
  for (let i = 0; i < 64; i++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + ROUND_CONSTANTS[i]! + w[i]!) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  state[0] = (state[0]! + a) | 0;
  state[1] = (state[1]! + b) | 0;
  state[2] = (state[2]! + c) | 0;
  state[3] = (state[3]! + d) | 0;
  state[4] = (state[4]! + e) | 0;
  state[5] = (state[5]! + f) | 0;
  state[6] = (state[6]! + g) | 0;
  state[7] = (state[7]! + h) | 0;
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => HEX[byte]).join("");
}
