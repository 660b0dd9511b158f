/**
 * A network of one bridge and a namespace for each node, in which packets can
 * be made to vanish one way. Needs root. Owns the namespaces and the bridge; it
 * touches none but those that it made, or that a dead process of it left.
 *
 * @module
 */

/** Of a node that doesn't exist: the bridge brings it to nobody. */
const NOBODY = "02:00:00:00:00:fe";
/** Whose they are is in their names: `kff`, the process, `-`, the node. */
const NAME = /^kff(\d+)-\d+/;

/** Runs `ip`; throws what it says. */
function ip(...args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command("ip", { args })
    .outputSync();
  const decoder = new TextDecoder();
  if (success) return decoder.decode(stdout);
  throw new Error(`Cannot run ip ${args.join(" ")}: ${decoder.decode(stderr)}`);
}

/** Namespaces of nodes 1 to `count`. */
export class Namespaces implements Disposable {
  readonly #count: number;
  readonly #prefix = `kff${Deno.pid}-`;
  /** A net of the process's own: others may run beside it. */
  readonly #net = `10.${200 + Deno.pid % 50}.${(Deno.pid / 50 | 0) % 250}`;

  /** Makes them, or says why there can be none. */
  static create(count: number): Namespaces | string {
    try {
      return new Namespaces(count);
    } catch (error) {
      return error instanceof Error ? error.message.trim() : String(error);
    }
  }

  private constructor(count: number) {
    this.#count = count;
    removeLeft();
    try {
      this.#make();
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  #make(): void {
    const bridge = `${this.#prefix}0`;
    ip("link", "add", bridge, "type", "bridge");
    ip("addr", "add", `${this.#net}.1/24`, "dev", bridge);
    ip("link", "set", bridge, "up");
    for (const id of this.#ids()) {
      const [name, port] = [this.#prefix + id, this.#prefix + id];
      ip("netns", "add", name);
      const peer = ["peer", "name", "eth0", "netns", name];
      ip("link", "add", port, "type", "veth", ...peer);
      ip("link", "set", port, "master", bridge, "up");
      ip("-n", name, "addr", "add", `${this.hostOf(id)}/24`, "dev", "eth0");
      ip("-n", name, "link", "set", "eth0", "up");
      ip("-n", name, "link", "set", "lo", "up");
    }
  }

  /** The address of a node. */
  hostOf(id: number): string {
    return `${this.#net}.${10 + id}`;
  }

  /** What runs a program as node `id`. */
  under(id: number): string[] {
    return ["nsenter", `--net=/run/netns/${this.#prefix}${id}`];
  }

  /** What `from` sends to `to` goes nowhere. */
  cut(from: number, to: number): void {
    const at = [this.hostOf(to), "lladdr", NOBODY, "dev", "eth0"];
    ip(
      "-n",
      this.#prefix + from,
      "neigh",
      "replace",
      ...at,
      "nud",
      "permanent",
    );
  }

  /** Takes a node's wire out: clients lose it, too. */
  unplug(id: number): void {
    ip("link", "set", this.#prefix + id, "down");
  }

  /** Everybody hears everybody again. */
  heal(): void {
    for (const id of this.#ids()) {
      ip("link", "set", this.#prefix + id, "up");
      const name = this.#prefix + id;
      ip("-n", name, "neigh", "flush", "nud", "permanent", "dev", "eth0");
    }
  }

  #ids(): number[] {
    return Array.from({ length: this.#count }, (_, i) => i + 1);
  }

  [Symbol.dispose](): void {
    remove(this.#prefix);
  }
}

/** Removes what processes left that are gone. */
function removeLeft(): void {
  for (const line of ip("-br", "link", "show", "type", "bridge").split("\n")) {
    const pid = NAME.exec(line)?.[1];
    if (pid === undefined || isRunning(Number(pid))) continue;
    remove(`kff${pid}-`);
  }
}

function remove(prefix: string): void {
  for (const line of ip("netns", "list").split("\n")) {
    const name = line.split(" ")[0]!;
    if (!name.startsWith(prefix)) continue;
    // Whoever started them is gone.
    for (const pid of ip("netns", "pids", name).split("\n")) {
      if (pid !== "") Deno.kill(Number(pid), "SIGKILL");
    }
    // The kernel would take its end away some time after its namespace.
    removeLink(name);
    ip("netns", "del", name);
  }
  removeLink(`${prefix}0`);
}

function removeLink(name: string): void {
  new Deno.Command("ip", { args: ["link", "del", name], stderr: "null" })
    .outputSync();
}

function isRunning(pid: number): boolean {
  try {
    Deno.statSync(`/proc/${pid}`);
    return true;
  } catch {
    return false;
  }
}
