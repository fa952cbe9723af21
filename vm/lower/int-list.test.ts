import { expect } from "chai";
import { IntList } from "./int-list.ts";

describe("IntList", () => {
  it("holds what an array would, through pushes, changes, truncations and ends, over pieces", () => {
    const list = new IntList();
    const array: number[] = [];
    const push = (count: number): void => {
      for (let i = 0; i < count; i++) {
        const number = (array.length * 7_919) | 0;
        expect(list.push(number)).to.equal(array.push(number) - 1);
      }
    };
    const truncate = (length: number): void => {
      list.truncate(length);
      array.length = length;
    };
    const same = (): void => {
      expect(list.length).to.equal(array.length);
      for (let i = 0; i < array.length; i++) if (list.at(i) !== array[i]) expect.fail(`at ${i}`);
    };
    same();
    list.finish();
    same();
    for (const count of [3, 100, 12_288, 20_000]) {
      push(count);
      list.finish();
      list.set(count, (array[count] = -5));
      same();
    }
    for (const length of [32_000, 24_577, 24_576, 24_575, 12_288, 5]) {
      truncate(length);
      same();
      push(2);
      same();
    }
    truncate(0);
    list.finish();
    same();
    push(1);
    same();
  });
});
