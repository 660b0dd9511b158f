/**
 * The real seams over a disk that fails or lags when it is told to. Owns where
 * that comes in between; which call it is, on which file, is the test's.
 *
 * @module
 */
import { denoEnv } from "../core/env/deno_env.ts";
import {
  DiskError,
  type DiskErrorCode,
  type DiskFile,
  type Env,
} from "../core/env/env.ts";

/** A call that can fail. */
export type FaultyCall = "open" | "read" | "write" | "truncate" | "sync";

/** Why `call` fails on `path`; undefined when it doesn't. */
export type Fault = (
  call: FaultyCall,
  path: string,
) => DiskErrorCode | undefined;

/** What a sync of `path` waits for; undefined: nothing. */
export type Delay = (path: string) => Promise<void> | undefined;

/** Real seams, of which the disk asks `fault` before each call. */
export function faultyEnv(fault: Fault, delay: Delay = () => undefined): Env {
  const real = denoEnv({ trace: () => {} });
  const check = (call: FaultyCall, path: string) => {
    const code = fault(call, path);
    if (code === undefined) return;
    throw new DiskError(code, `Cannot ${call} "${path}": injected ${code}`);
  };
  return {
    ...real,
    disk: {
      ...real.disk,
      open(path, mode) {
        check("open", path);
        return faultyFile(real.disk.open(path, mode), check, delay);
      },
    },
  };
}

function faultyFile(
  file: DiskFile,
  check: (call: FaultyCall, path: string) => void,
  delay: Delay,
): DiskFile {
  const { path } = file;
  return {
    path,
    pread(into, position) {
      check("read", path);
      return file.pread(into, position);
    },
    pwriteAll(bytes, position) {
      try {
        check("write", path);
      } catch (error) {
        // A disk takes what it has room for before it says no.
        file.pwriteAll(bytes.subarray(0, bytes.length >> 1), position);
        throw error;
      }
      file.pwriteAll(bytes, position);
    },
    async syncData() {
      check("sync", path);
      await delay(path);
      return await file.syncData();
    },
    syncDataSync() {
      check("sync", path);
      file.syncDataSync();
    },
    truncate(size) {
      check("truncate", path);
      file.truncate(size);
    },
    size: () => file.size(),
    close: () => file.close(),
  };
}
