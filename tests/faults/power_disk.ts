/**
 * A disk that loses power: ext4 on a loop device, shut down so that nothing
 * which wasn't synced is written any more. Needs root, loop devices and
 * `mkfs.ext4`. Owns the image and the mount.
 *
 * @module
 */

const IMAGE_MEGABYTES = 64;
const EXT4_IOC_SHUTDOWN = 0x8004587dn;
/** What is in the journal's buffer is not written either. */
const NO_LOG_FLUSH = 2;

function command(program: string, ...args: string[]): void {
  const { success, stderr } = new Deno.Command(program, {
    args,
    stdout: "null",
  })
    .outputSync();
  if (success) return;
  throw new Error(
    `Cannot run ${program}: ${new TextDecoder().decode(stderr).trim()}`,
  );
}

/** A mounted disk. */
export class PowerDisk implements Disposable {
  readonly path: string;
  readonly #image: string;

  /** Makes one, or gives the reason why there can be none. */
  static create(folder: string): PowerDisk | string {
    try {
      return new PowerDisk(folder);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  private constructor(folder: string) {
    this.#image = `${folder}/disk.img`;
    this.path = `${folder}/disk`;
    Deno.mkdirSync(this.path, { recursive: true });
    // A run that was killed may have left it mounted.
    new Deno.Command("umount", { args: ["-l", this.path], stderr: "null" })
      .outputSync();
    Deno.writeFileSync(this.#image, new Uint8Array(0));
    Deno.truncateSync(this.#image, IMAGE_MEGABYTES << 20);
    command("mkfs.ext4", "-q", "-F", this.#image);
    this.#mount();
  }

  #mount(): void {
    command("mount", "-o", "loop", this.#image, this.path);
  }

  /** From now on nothing reaches the disk: every call on it fails. */
  losePower(): void {
    const libc = Deno.dlopen("libc.so.6", {
      open: { parameters: ["buffer", "i32"], result: "i32" },
      ioctl: { parameters: ["i32", "u64", "buffer"], result: "i32" },
      close: { parameters: ["i32"], result: "i32" },
    });
    const { symbols } = libc;
    try {
      const fd = symbols.open(new TextEncoder().encode(`${this.path}\0`), 0);
      const flags = Uint32Array.of(NO_LOG_FLUSH);
      const result = symbols.ioctl(fd, EXT4_IOC_SHUTDOWN, flags);
      symbols.close(fd);
      if (result !== 0) {
        throw new Error("Cannot shut down the disk: ioctl failed");
      }
    } finally {
      libc.close();
    }
  }

  /** Brings it back as it is after the loss. Nobody may use it. */
  restorePower(): void {
    command("umount", this.path);
    this.#mount();
  }

  [Symbol.dispose](): void {
    command("umount", "-l", this.path);
    Deno.removeSync(this.#image);
    Deno.removeSync(this.path);
  }
}
