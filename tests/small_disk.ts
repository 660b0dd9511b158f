/**
 * A disk of a few megabytes for tests that fill it. Needs root, and prints a
 * line where there is none.
 *
 * @module
 */
import { temporaryFolder } from "./fixtures.ts";

/** Runs `mount`; whether that went well. */
export function mount(...args: string[]): boolean {
  try {
    return new Deno.Command("mount", { args, stderr: "null" })
      .outputSync().success;
  } catch {
    return false;
  }
}

/** A disk of its own, or the reason why there is none. */
function smallDisk(size: string): ({ path: string } & Disposable) | string {
  const { path } = temporaryFolder();
  if (!mount("-t", "tmpfs", "-o", `size=${size}`, "kf-test", path)) {
    Deno.removeSync(path);
    return "mounting a tmpfs needs root";
  }
  return {
    path,
    [Symbol.dispose]() {
      new Deno.Command("umount", { args: ["-l", path] }).outputSync();
      Deno.removeSync(path, { recursive: true });
    },
  };
}

/** Runs `fn` on a disk of `size`, or prints why not. */
export async function onDisk(
  size: string,
  fn: (path: string) => Promise<void>,
): Promise<void> {
  const made = smallDisk(size);
  if (typeof made === "string") {
    console.log(`skipped: ${made}`);
    return;
  }
  using disk = made;
  await fn(disk.path);
}
