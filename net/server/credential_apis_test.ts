/**
 * Quotas and credentials of clients over raw frames: what is stored and
 * described, what is refused, and that both outlive a restart and a snapshot.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { ERRORS } from "../../core/errors.ts";
import { latest, running, start } from "../../tests/raw_broker.ts";
import { RawClient } from "../../tests/raw_client.ts";
import { DESCRIBE_CLIENT_QUOTAS } from "../wire/48_describe_client_quotas.ts";
import { ALTER_CLIENT_QUOTAS } from "../wire/49_alter_client_quotas.ts";
import { DESCRIBE_USER_SCRAM_CREDENTIALS } from "../wire/50_describe_user_scram_credentials.ts";
import { ALTER_USER_SCRAM_CREDENTIALS } from "../wire/51_alter_user_scram_credentials.ts";

/** Entity types and names; null is the default. */
type Entity = Record<string, string | null>;
/** Values by key; null removes. */
type Quotas = Record<string, number | null>;

const parts = (entity: Entity) =>
  Object.entries(entity).map(([entityType, entityName]) => ({
    entityType,
    entityName,
  }));

async function setQuotas(
  client: RawClient,
  entries: [Entity, Quotas][],
  { version = 1, validateOnly = false } = {},
): Promise<number[]> {
  const answer = await client.call({ api: ALTER_CLIENT_QUOTAS, version }, {
    entries: entries.map(([entity, quotas]) => ({
      entity: parts(entity),
      ops: Object.entries(quotas).map(([key, value]) => ({
        key,
        value: value ?? 0,
        remove: value === null,
      })),
    })),
    validateOnly,
  });
  return answer.entries.map(({ errorCode }) => errorCode);
}

type Component = [type: string, matchType: number, match?: string];

async function findQuotas(
  client: RawClient,
  components: Component[] = [],
  { version = 1, strict = false } = {},
) {
  const answer = await client.call({ api: DESCRIBE_CLIENT_QUOTAS, version }, {
    components: components.map(([entityType, matchType, match = null]) => ({
      entityType,
      matchType,
      match,
    })),
    strict,
  });
  if (answer.entries === null) return answer.errorCode;
  return answer.entries.map(({ entity, values }) => {
    const who = entity.map(({ entityType, entityName }) =>
      `${entityType}=${entityName ?? "*"}`
    );
    const what = values.map(({ key, value }) => `${key} ${value}`);
    return `${who.join()}: ${what.join()}`;
  }).sort();
}

/** One of each kind of entity. */
const EACH_KIND: [Entity, Quotas][] = [
  [{ user: "a" }, { producer_byte_rate: 1000, request_percentage: 50.5 }],
  [{ user: null }, { consumer_byte_rate: 2000 }],
  [{ user: "a", "client-id": "c" }, { controller_mutation_rate: 2.5 }],
  [{ "client-id": null, user: "b" }, { producer_byte_rate: 3000 }],
  [{ "client-id": "c" }, { producer_byte_rate: 4000 }],
  [{ ip: "10.0.0.1" }, { connection_creation_rate: 5 }],
  [{ ip: "fe80::1" }, { connection_creation_rate: 6 }],
  [{ ip: null }, { connection_creation_rate: 7 }],
];

Deno.test("quotas are set, described by filter and removed", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  assertEquals(await findQuotas(client), []);
  const validateOnly = true;
  const fine = EACH_KIND.map(() => 0);
  assertEquals(await setQuotas(client, EACH_KIND, { validateOnly }), fine);
  assertEquals(await findQuotas(client), []);
  assertEquals(await setQuotas(client, EACH_KIND, { version: 0 }), fine);
  const userA = "user=a: producer_byte_rate 1000,request_percentage 50.5";
  const clientOfA = "client-id=c,user=a: controller_mutation_rate 2.5";
  const clientOfB = "client-id=*,user=b: producer_byte_rate 3000";
  const anyone = "user=*: consumer_byte_rate 2000";
  const strict = true;
  for (
    const [components, options, found] of [
      [[["user", 0, "a"]], {}, [clientOfA, userA]],
      [[["user", 0, "a"]], { strict, version: 0 }, [userA]],
      [[["user", 1]], {}, [anyone]],
      [[["user", 2]], { strict }, [anyone, userA]],
      [[["user", 2]], {}, [clientOfB, clientOfA, anyone, userA]],
      [[["user", 2], ["client-id", 2]], {}, [clientOfB, clientOfA]],
      [[["user", 2], ["client-id", 1]], { strict }, [clientOfB]],
      [[["ip", 0, "10.0.0.1"]], {}, [
        "ip=10.0.0.1: connection_creation_rate 5",
      ]],
      [[["user", 0, "nobody"]], {}, []],
      [[], { strict }, []],
    ] as [Component[], { strict?: boolean; version?: number }, string[]][]
  ) {
    assertEquals(await findQuotas(client, components, options), found);
  }
  assertEquals((await findQuotas(client) as string[]).length, 8);
  // The order in which an entity's parts are named means nothing.
  const removed = await setQuotas(client, [
    [{ "client-id": "c", user: "a" }, { controller_mutation_rate: null }],
    [{ user: "a" }, { request_percentage: null, producer_byte_rate: 1 }],
    [{ user: "nobody" }, { producer_byte_rate: null }],
  ]);
  assertEquals(removed, [0, 0, 0]);
  assertEquals(await findQuotas(client, [["user", 0, "a"]]), [
    "user=a: producer_byte_rate 1",
  ]);
});

Deno.test("a quota that can't be is refused for its entity alone", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  const rate = { producer_byte_rate: 1 };
  const connections = (rate: number) => ({ connection_creation_rate: rate });
  const refused: [Entity, Quotas][] = [
    [{}, rate],
    [{ group: "g" }, rate],
    [{ user: "" }, rate],
    [{ ip: "10.0.0.1", user: "a" }, connections(1)],
    [{ ip: "10.0.0.256" }, connections(1)],
    [{ ip: "10.0.0" }, connections(1)],
    [{ ip: ":::" }, connections(1)],
    [{ ip: "" }, connections(1)],
    [{ ip: "10.0.0.1" }, rate],
    [{ ip: "10.0.0.1" }, connections(2 ** 31)],
    [{ ip: "10.0.0.1" }, connections(1.5)],
    [{ user: "a" }, connections(1)],
    [{ user: "a" }, { no_such_rate: 1 }],
    [{ user: "a" }, { ...rate, consumer_byte_rate: 0 }],
    [{ user: "a" }, { producer_byte_rate: -1 }],
    [{ user: "a" }, { producer_byte_rate: 0.5 }],
    [{ user: "a" }, { producer_byte_rate: 1e19 }],
    [{ user: "a" }, { request_percentage: NaN }],
    [{ user: "a" }, { controller_mutation_rate: Infinity }],
  ];
  for (const each of refused) {
    assertEquals(
      await setQuotas(client, [each, [{ user: "fine" }, rate]]),
      [ERRORS.INVALID_REQUEST, 0],
      JSON.stringify(each),
    );
  }
  const twice = await setQuotas(client, [
    [{ user: "a" }, rate],
    [{ user: "a" }, { consumer_byte_rate: 1 }],
  ]);
  assertEquals(twice, [ERRORS.INVALID_REQUEST]);
  assertEquals(await findQuotas(client), ["user=fine: producer_byte_rate 1"]);
  for (
    const [components, code] of [
      [[["group", 2]], ERRORS.UNSUPPORTED_VERSION],
      [[["", 2]], ERRORS.INVALID_REQUEST],
      [[["user", 3]], ERRORS.INVALID_REQUEST],
      [[["user", 0]], ERRORS.INVALID_REQUEST],
      [[["user", 1, "a"]], ERRORS.INVALID_REQUEST],
      [[["user", 2, "a"]], ERRORS.INVALID_REQUEST],
      [[["user", 2], ["user", 1]], ERRORS.INVALID_REQUEST],
      [[["user", 2], ["ip", 2]], ERRORS.INVALID_REQUEST],
    ] as [Component[], number][]
  ) {
    assertEquals(await findQuotas(client, components), code);
  }
});

const SHA_256 = 1;
const SHA_512 = 2;

type Upsertion = [user: string, mechanism: number, iterations: number];
type Deletion = [user: string, mechanism: number];

/** Changes credentials; answers each user with its error code. */
async function setScram(
  client: RawClient,
  upsertions: Upsertion[],
  {
    deletions = [] as Deletion[],
    saltedPassword = new Uint8Array(32).fill(7),
    salt = new Uint8Array(16).fill(9),
  } = {},
): Promise<Record<string, number>> {
  const { results } = await client.call(latest(ALTER_USER_SCRAM_CREDENTIALS), {
    upsertions: upsertions.map(([name, mechanism, iterations]) => ({
      name,
      mechanism,
      iterations,
      salt,
      saltedPassword,
    })),
    deletions: deletions.map(([name, mechanism]) => ({ name, mechanism })),
  });
  return Object.fromEntries(
    results.map(({ user, errorCode }) => [user, errorCode]),
  );
}

/** Each user's mechanisms and iterations, or the error code. */
async function findScram(client: RawClient, names: string[] | null = null) {
  const { errorCode, results } = await client.call(
    latest(DESCRIBE_USER_SCRAM_CREDENTIALS),
    { users: names?.map((name) => ({ name })) ?? null },
  );
  assertEquals(errorCode, 0);
  return Object.fromEntries(
    results.map(({ user, errorCode, credentialInfos }) => [
      user,
      errorCode === 0
        ? credentialInfos.map((each) => `${each.mechanism}:${each.iterations}`)
          .sort().join()
        : errorCode,
    ]),
  );
}

Deno.test("SCRAM credentials are set, described and removed by user and mechanism", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  assertEquals(await findScram(client), {});
  assertEquals(
    await setScram(client, [["a", SHA_256, 4096], ["b", SHA_512, 16384]]),
    { a: 0, b: 0 },
  );
  await setScram(client, [["a", SHA_512, 8192]]);
  const both = { a: "1:4096,2:8192", b: "2:16384" };
  assertEquals(await findScram(client), both);
  assertEquals(await findScram(client, []), both);
  assertEquals(await findScram(client, ["b", "nobody", "a", "a"]), {
    b: "2:16384",
    nobody: ERRORS.RESOURCE_NOT_FOUND,
    a: ERRORS.DUPLICATE_RESOURCE,
  });
  await setScram(client, [["b", SHA_512, 4096]]);
  const deletions: Deletion[] = [["a", SHA_256]];
  assertEquals(await setScram(client, [], { deletions }), { a: 0 });
  assertEquals(await findScram(client), { a: "2:8192", b: "2:4096" });
  assertEquals(
    await setScram(client, [], { deletions: [["a", SHA_512]] }),
    { a: 0 },
  );
  assertEquals(await findScram(client), { b: "2:4096" });
});

Deno.test("a credential that can't be is refused for its user alone", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await setScram(client, [["a", SHA_256, 4096]]);
  const deletions: Deletion[] = [
    ["nobody", SHA_256],
    ["a", SHA_512],
    ["odd", 0],
    ["", SHA_256],
  ];
  assertEquals(
    await setScram(client, [
      ["few", SHA_256, 4095],
      ["many", SHA_256, 16385],
      ["strange", 3, 4096],
      ["fine", SHA_512, 4096],
      ["twice", SHA_256, 4096],
      ["twice", SHA_512, 4096],
      ["badTwice", SHA_256, 1],
      ["badTwice", SHA_256, 4096],
    ], { deletions }),
    {
      nobody: ERRORS.RESOURCE_NOT_FOUND,
      a: ERRORS.RESOURCE_NOT_FOUND,
      odd: ERRORS.UNSUPPORTED_SASL_MECHANISM,
      "": ERRORS.UNACCEPTABLE_CREDENTIAL,
      few: ERRORS.UNACCEPTABLE_CREDENTIAL,
      many: ERRORS.UNACCEPTABLE_CREDENTIAL,
      strange: ERRORS.UNSUPPORTED_SASL_MECHANISM,
      fine: 0,
      twice: ERRORS.DUPLICATE_RESOURCE,
      badTwice: ERRORS.UNACCEPTABLE_CREDENTIAL,
    },
  );
  assertEquals(
    await setScram(client, [["a", SHA_256, 8192]], {
      deletions: [["a", SHA_256]],
    }),
    { a: ERRORS.DUPLICATE_RESOURCE },
  );
  assertEquals(
    await setScram(client, [["a", SHA_256, 8192]], {
      saltedPassword: new Uint8Array(0),
    }),
    { a: ERRORS.UNACCEPTABLE_CREDENTIAL },
  );
  assertEquals(await findScram(client), { a: "1:4096", fine: "2:4096" });
});

const bytesOf = (base64: string) =>
  Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));

/** Bytes as text, one character each, to look for bytes in bytes. */
const latin1 = (bytes: Uint8Array) => new TextDecoder("latin1").decode(bytes);

Deno.test("what is stored of a password is the keys of RFC 7677, not the salted password", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  const salt = bytesOf("W22ZaJ0SNY7soEsUEjb6gQ==");
  const password = await crypto.subtle.importKey(
    "raw",
    new TextEncoder().encode("pencil"),
    "PBKDF2",
    false,
    ["deriveBits"],
  );
  const saltedPassword = new Uint8Array(
    await crypto.subtle.deriveBits(
      { name: "PBKDF2", hash: "SHA-256", salt, iterations: 4096 },
      password,
      256,
    ),
  );
  await setScram(client, [["user", SHA_256, 4096]], { salt, saltedPassword });
  const log = latin1(
    Deno.readFileSync(
      `${at.folder}/__cluster_metadata-0/${"0".repeat(20)}.log`,
    ),
  );
  const storedKey = bytesOf("WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=");
  const serverKey = bytesOf("wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
  assert(log.includes(latin1(salt)));
  assert(log.includes(latin1(storedKey)));
  assert(log.includes(latin1(serverKey)));
  assert(!log.includes(latin1(saltedPassword)));
});

/** A snapshot after every change: a restart reads nothing else. */
const SNAPSHOT_ALWAYS = {
  "metadata.log.max.record.bytes.between.snapshots": "1",
};

for (
  const [name, config] of [
    ["the log", {}],
    ["a snapshot", SNAPSHOT_ALWAYS],
  ] as const
) {
  Deno.test(`quotas and credentials are there again after a restart from ${name}`, async () => {
    await using at = await running(config);
    using client = await RawClient.connect(at.port);
    await setQuotas(client, EACH_KIND);
    await setQuotas(client, [[{ ip: null }, {
      connection_creation_rate: null,
    }]]);
    const before = await findQuotas(client) as string[];
    assertEquals(before.length, EACH_KIND.length - 1);
    await setScram(client, [["a", SHA_256, 4096], ["b", SHA_256, 4096]]);
    await setScram(client, [["a", SHA_512, 8192]], {
      deletions: [["b", SHA_256]],
    });
    await at.broker.stop();
    const metadata = `${at.folder}/__cluster_metadata-0`;
    const hasSnapshot = [...Deno.readDirSync(metadata)]
      .some(({ name }) => name.endsWith(".checkpoint"));
    assert(hasSnapshot === (config === SNAPSHOT_ALWAYS));
    const again = await start(at.folder, { config });
    try {
      using other = await RawClient.connect(again.address.port);
      assertEquals(await findQuotas(other), before);
      assertEquals(await findScram(other), { a: "1:4096,2:8192" });
    } finally {
      await again.stop();
    }
  });
}
