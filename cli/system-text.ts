/** What the system says of files, in words. */

const TEXTS = new Map<string, (what: string) => string>([
  ["ENOENT", (what) => `no such ${what}`],
  ["ENOTDIR", (what) => (what === "directory" ? "is not a directory" : `no such ${what}`)],
  ["EISDIR", (what) => `is a directory, not a ${what}`],
  ["EACCES", () => "permission denied"],
  ["EPERM", () => "permission denied"],
  ["ENAMETOOLONG", () => "the name is too long"],
  ["ELOOP", () => "too many symbolic links"],
  ["ENOSPC", () => "no space is left"],
  ["EROFS", () => "the file system is read-only"],
  ["EMFILE", () => "too many files are open"],
]);

/** `what` was looked for: "file", "directory". The system's own words where there are no better ones. */
export function systemText(error: unknown, what: string): string {
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error ? String(error.code) : "";
  return TEXTS.get(code)?.(what) ?? error.message;
}
