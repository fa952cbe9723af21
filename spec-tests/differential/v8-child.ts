/** The program of the process whose V8 is compared with: a plan per line in, the lines of its outcome per line out. */

import { createInterface } from "node:readline";
import { lineOf, type Plan, runPlan } from "./plan.ts";
import { v8Machine } from "./v8-machine.ts";

for await (const line of createInterface({ input: process.stdin })) {
  const plan = JSON.parse(line) as Plan;
  process.stdout.write(lineOf(runPlan(plan, v8Machine())));
}
