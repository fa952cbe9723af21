import { expect } from "chai";
import { Errno } from "./abi.ts";
import { ProcessExit } from "./proc.ts";
import { WasiState } from "./state.ts";
import { TestGuest, turnsOf } from "./testing.ts";

describe("arguments and environment", () => {
  it("are laid out as pointers and zero-terminated strings", () => {
    const guest = new TestGuest({ args: ["prog", "ä", ""], env: ["HOME=/"] });
    expect(guest.call("args_sizes_get", 0, 4)).to.equal(Errno.Success);
    expect([guest.memory.readU32(0), guest.memory.readU32(4)]).to.deep.equal([3, 9]);
    expect(guest.call("args_get", 16, 100)).to.equal(Errno.Success);
    expect([16, 20, 24].map((at) => guest.memory.readU32(at))).to.deep.equal([100, 105, 108]);
    expect(guest.text(100, 9)).to.equal("prog\0ä\0\0");
    expect(guest.call("environ_sizes_get", 0, 4)).to.equal(Errno.Success);
    expect([guest.memory.readU32(0), guest.memory.readU32(4)]).to.deep.equal([1, 7]);
    expect(guest.call("environ_get", 16, 100)).to.equal(Errno.Success);
    expect(guest.text(100, 7)).to.equal("HOME=/\0");
  });

  it("are encoded once for all that have them, measured for nothing and copied for their price", () => {
    const env = Array.from({ length: 100 }, (_, i) => `VARIABLE=${i}`);
    const guest = new TestGuest({ env });
    expect(guest.call("environ_sizes_get", 0, 4)).to.equal(Errno.Success);
    expect(guest.memory.readU32(4)).to.equal(1_190);
    expect(guest.fuel).to.equal(20);
    expect(guest.call("environ_get", 16, 1_000)).to.equal(Errno.Success);
    expect(guest.fuel).to.equal(20 + 20 + 100 + Math.ceil(1_190 / 64));
    expect(guest.text(guest.memory.readU32(16 + 99 * 4), 12)).to.equal("VARIABLE=99\0");
    expect(new TestGuest({ env }).state.env).to.equal(guest.state.env);
  });

  it("outside memory are a fault that changes nothing", () => {
    const guest = new TestGuest({ args: ["prog"] });
    expect(guest.call("args_get", 0, 65_533)).to.equal(Errno.Fault);
    expect(guest.call("args_get", 65_533, 0)).to.equal(Errno.Fault);
    expect(guest.memory.bytes.every((byte) => byte === 0)).to.equal(true);
  });

  it("with a zero byte are refused", () => {
    const { state, ...services } = new TestGuest();
    expect(state).to.be.instanceOf(WasiState);
    expect(() => new WasiState({ ...services, random: state.random, args: ["a\0b"] })).to.throw(RangeError);
  });
});

describe("the name of a preopened directory", () => {
  it("is encoded once, and copied for its price", () => {
    const { state, files } = new TestGuest();
    expect(state).to.be.instanceOf(WasiState);
    const guest = new TestGuest({ preopens: [{ name: "ä/".repeat(1_000), directory: files }] });
    expect(guest.call("fd_prestat_get", 3, 0)).to.equal(Errno.Success);
    expect(guest.memory.readU32(4)).to.equal(3_000);
    expect(guest.fuel).to.equal(20);
    expect(guest.call("fd_prestat_dir_name", 3, 100, 3_000)).to.equal(Errno.Success);
    expect(guest.fuel).to.equal(20 + 20 + Math.ceil(3_000 / 64));
    expect(guest.text(100, 6)).to.equal("ä/ä/");
    expect(guest.call("fd_prestat_get", 4, 0)).to.equal(Errno.Badf);
    expect(guest.call("fd_prestat_get", 1, 0)).to.equal(Errno.Badf);
  });
});

describe("clocks", () => {
  it("give nanoseconds", () => {
    const guest = new TestGuest();
    guest.clock.advance(5n);
    expect(guest.call("clock_time_get", 1, 0n, 8)).to.equal(Errno.Success);
    expect(guest.memory.readU64(8)).to.equal(5n);
    expect(guest.call("clock_time_get", 0, 0n, 8)).to.equal(Errno.Success);
    expect(guest.memory.readU64(8)).to.equal(1_000_000_000_000_000_005n);
    expect(guest.call("clock_res_get", 1, 8)).to.equal(Errno.Success);
    expect(guest.memory.readU64(8)).to.equal(1n);
  });

  it("of other kinds are refused", () => {
    const guest = new TestGuest();
    expect(guest.call("clock_time_get", 2, 0n, 8)).to.equal(Errno.Notsup);
    expect(guest.call("clock_time_get", 4, 0n, 8)).to.equal(Errno.Inval);
    expect(guest.call("clock_time_get", 0, 0n, 65_529)).to.equal(Errno.Fault);
  });
});

describe("random_get", () => {
  it("fills exactly what it is asked to, and charges for it", () => {
    const guest = new TestGuest();
    expect(guest.call("random_get", 100, 40_000)).to.equal(Errno.Success);
    expect(guest.memory.bytes.subarray(0, 100).every((byte) => byte === 0)).to.equal(true);
    expect(guest.memory.bytes.subarray(40_100).every((byte) => byte === 0)).to.equal(true);
    expect(new Set(guest.memory.bytes.subarray(100, 40_100)).size).to.equal(256);
    expect(guest.fuel).to.equal(10_000 + 20);
    expect(guest.call("random_get", 100, -1)).to.equal(Errno.Fault);
  });

  it("lets others have their turn while it fills megabytes, and pays for the time", async () => {
    const guest = new TestGuest({}, 48);
    const filling = Promise.resolve(guest.call("random_get", 1, 3_000_000));
    expect(guest.fuel).to.equal(750_000 + 20);
    expect(await turnsOf([filling])).to.be.at.least(40);
    expect(await filling).to.equal(Errno.Success);
    expect([guest.fuel, guest.lateNs]).to.deep.equal([750_000 + 20, (3_000_000 - 65_536) * 2]);
    expect([guest.memory.bytes[0], guest.memory.bytes[3_000_001]]).to.deep.equal([0, 0]);
    expect(new Set(guest.memory.bytes.subarray(2_999_000, 3_000_001)).size).to.be.greaterThan(200);
  });

  it("ends with its guest", async () => {
    const guest = new TestGuest({}, 48);
    const filling = guest.call("random_get", 0, 3_000_000);
    await guest.state.dispose();
    expect(await filling).to.equal(Errno.Canceled);
    expect(guest.memory.bytes[65_536]).to.equal(0);
  });
});

describe("proc_exit", () => {
  it("ends the run with the code, unsigned", () => {
    const guest = new TestGuest();
    expect(() => guest.call("proc_exit", -1))
      .to.throw(ProcessExit)
      .with.property("code", 0xffff_ffff);
  });
});
