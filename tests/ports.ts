/**
 * Loopback ports for who must be told one before it listens, perhaps seconds
 * later or once more after a restart. They lie below those that systems give
 * away, and each test file has a block of its own: nobody comes between.
 *
 * @module
 */
const HOST = "127.0.0.1";
const PORTS_FROM = 20_000;
const BLOCKS = 300;
const BLOCK_PORTS = 40;

/** Whoever listens on a block's first port has the block. */
const door = claimed();
const block = door.addr.port;
let next = 1;

function claimed(): Deno.TcpListener {
  const start = Math.trunc(Math.random() * BLOCKS);
  for (let i = 0; i < BLOCKS; i++) {
    const port = PORTS_FROM + BLOCK_PORTS * ((start + i) % BLOCKS);
    const listener = listenOn(port);
    if (listener !== undefined) return listener;
  }
  throw new Error(`Every port from ${PORTS_FROM} on is taken`);
}

/** Undefined when somebody else listens there; keeps no process alive. */
function listenOn(port: number): Deno.TcpListener | undefined {
  try {
    const listener = Deno.listen({ hostname: HOST, port });
    listener.unref();
    return listener;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return undefined;
    throw error;
  }
}

/** A port on which nobody listens: the block's next. */
export function freePort(): number {
  for (let i = 1; i < BLOCK_PORTS; i++) {
    const port = block + next;
    next = next % (BLOCK_PORTS - 1) + 1;
    const listener = listenOn(port);
    if (listener === undefined) continue;
    listener.close();
    return port;
  }
  throw new Error(`Every port from ${block} on is taken`);
}

/** Several, all different. */
export function freePorts(count: number): number[] {
  return Array.from({ length: count }, freePort);
}
