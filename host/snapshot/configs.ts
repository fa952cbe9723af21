/** Configurations, and what guests build for their children, as data. */

import type { FrameState } from "../../vm/index.ts";
import { type Config, ConfigDraft, type NetworkGrants, type SavedConfig, type TextList } from "../config.ts";
import type { GroupOptions } from "../group.ts";
import { type ImportRules, redirectedPatterns, type SavedRules } from "../import-policy.ts";
import { DENIED, FUEL_EXHAUSTED, FULL_MAILBOX, VISIBILITIES } from "../options.ts";
import { Fields, invalid } from "./fields.ts";

export function configState(config: Config): FrameState {
  const { maxMemory, maxFuel, maxProcesses, mailbox, onFullMailbox, onFuelExhausted, args, env } = config;
  const { canCompileModules, canCreateConfigs, canSpawnProcesses, network, denied, visibility } = config;
  const { hibernateAfterMs } = config;
  return {
    ...{ maxMemory, maxFuel, maxProcesses, onFullMailbox, onFuelExhausted, args, env, denied, visibility },
    ...{ canCompileModules, canCreateConfigs, canSpawnProcesses, hibernateAfterMs },
    mailbox: { maxMessages: mailbox.maxMessages, maxBytes: mailbox.maxBytes },
    network: { ...network },
    preopens: config.preopens.map(({ name, readOnly }) => ({ name, readOnly })),
    rules: config.rules.map((rules) => ({ ...rulesState(rules), redirected: redirectedPatterns(rules) })),
  };
}

function rulesState({
  allow = null,
  deny = [],
}: {
  readonly allow?: readonly string[] | null;
  readonly deny?: readonly string[];
}) {
  return { allow, deny };
}

export function readConfig(fields: Fields): SavedConfig {
  const mailbox = fields.record("mailbox");
  return {
    maxMemory: fields.amount("maxMemory"),
    maxFuel: fields.amount("maxFuel"),
    maxProcesses: fields.amount("maxProcesses"),
    mailbox: { maxMessages: mailbox.amount("maxMessages"), maxBytes: mailbox.amount("maxBytes") },
    onFullMailbox: fields.word("onFullMailbox", FULL_MAILBOX),
    onFuelExhausted: fields.word("onFuelExhausted", FUEL_EXHAUSTED),
    canCompileModules: fields.flag("canCompileModules"),
    canCreateConfigs: fields.flag("canCreateConfigs"),
    canSpawnProcesses: fields.flag("canSpawnProcesses"),
    args: zeroFree(fields.texts("args")),
    env: zeroFree(fields.texts("env")),
    network: readNetwork(fields.record("network")),
    hibernateAfterMs: fields.amount("hibernateAfterMs"),
    denied: fields.word("denied", DENIED),
    visibility: fields.word("visibility", VISIBILITIES),
    preopens: fields.records("preopens").map((each) => ({ name: each.text("name"), readOnly: each.flag("readOnly") })),
    rules: fields.records("rules").map(readSavedRules),
  };
}

/** A zero byte would end a text early. */
function zeroFree(texts: string[]): string[] {
  if (texts.some((text) => text.includes("\0"))) throw invalid("an argument or a variable with a zero byte");
  return texts;
}

function readNetwork(fields: Fields): NetworkGrants {
  return { connect: fields.flag("connect"), listen: fields.flag("listen"), resolve: fields.flag("resolve") };
}

function readRules(fields: Fields): ImportRules {
  const deny = fields.texts("deny");
  return fields.has("allow") ? { allow: fields.texts("allow"), deny } : { deny };
}

function readSavedRules(fields: Fields): SavedRules {
  return { ...readRules(fields), redirected: fields.texts("redirected") };
}

export function draftState(draft: ConfigDraft): FrameState {
  const { settings, rules, group } = draft;
  return {
    ...{ ...settings, network: { ...settings.network } },
    ...{ args: [...draft.texts("args")], env: [...draft.texts("env")], directories: [...draft.texts("directories")] },
    rules: rules === null ? null : rulesState(rules),
    group: group === null ? null : { ...group },
  };
}

const GROUP_LIMITS = [
  "maxFuel",
  "maxMemory",
  "maxProcesses",
  "maxTimers",
  "maxNames",
  "maxDescriptors",
  "maxLogBytes",
  "weight",
] as const;

export function readDraft(fields: Fields): ConfigDraft {
  const draft = new ConfigDraft();
  draft.set("maxMemory", fields.u64("maxMemory"));
  draft.set("maxFuelUnits", fields.u64("maxFuelUnits"));
  for (const limit of ["maxProcesses", "maxMessages", "maxMailboxBytes"] as const) {
    draft.set(limit, fields.amount(limit));
  }
  if (fields.has("onFullMailbox")) draft.set("onFullMailbox", fields.word("onFullMailbox", FULL_MAILBOX));
  if (fields.has("visibility")) draft.set("visibility", fields.word("visibility", VISIBILITIES));
  for (const right of ["canCompileModules", "canCreateConfigs", "canSpawnProcesses"] as const) {
    draft.set(right, fields.flag(right));
  }
  draft.set("network", readNetwork(fields.record("network")));
  for (const list of ["args", "env", "directories"] as const) addTexts(draft, list, zeroFree(fields.texts(list)));
  if (fields.has("rules")) {
    const { allow = [], deny = [] } = readRules(fields.record("rules"));
    addTexts(draft, "allow", allow);
    addTexts(draft, "deny", deny);
  }
  if (fields.has("group")) draft.group = readGroup(fields.record("group"), fields.get("group"));
  return draft;
}

function addTexts(draft: ConfigDraft, list: TextList, texts: readonly string[]): void {
  for (const text of texts) {
    if (!draft.hasRoomFor(list, text)) throw invalid("too many texts");
    draft.add(list, text);
  }
}

function readGroup(fields: Fields, state: FrameState): GroupOptions & { readonly name: string } {
  const limits: Record<string, number> = {};
  for (const key of GROUP_LIMITS) if (Object.hasOwn(state as object, key)) limits[key] = fields.amount(key);
  const { weight } = limits;
  if (weight !== undefined && !(Number.isInteger(weight) && weight >= 1 && weight <= 1_000)) throw invalid("a weight");
  return { name: fields.text("name"), ...limits };
}
